import type { Logger } from './logger.ts'

/** How long a process may take to end by itself; after that it ends anyway. */
const GRACE_MS = 20_000

/**
 * Runs `close` once on SIGTERM or SIGINT, or when the supervisor that forked this process is gone, then exits 0;
 * exits 1 when it fails or takes longer than the grace time.
 * A bug that nobody caught (unhandled rejection, uncaught exception) also ends the process: a supervisor starts a
 * clean one.
 */
export function closeOnSignal(logger: Logger, close: () => Promise<void>, graceMs = GRACE_MS): void {
  let closing = false
  const end = (signal: string) => {
    if (closing) return
    closing = true
    logger.info({ signal }, 'closing')
    setTimeout(() => {
      logger.error('did not close in time')
      process.exit(1)
    }, graceMs).unref()
    close().then(
      () => process.exit(0),
      error => {
        logger.error({ err: error }, 'failed to close')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  // Started by a supervisor: without it nobody would ever stop this process. It may be gone already.
  if (process.connected) process.on('disconnect', () => end('disconnect'))
  else if (process.connected === false) end('disconnect')
  process.on('unhandledRejection', error => {
    logger.fatal({ err: error }, 'unhandled rejection')
    process.exit(1)
  })
  // Node would print the error with all that drivers hang on it.
  process.on('uncaughtException', error => {
    logger.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })
}
