/** What has to be ended or removed, undone in reverse order, also after Ctrl-C. */
export class Cleanup {
  readonly #steps: (() => Promise<unknown>)[] = []
  #running: Promise<void> | undefined

  /** Register before starting what is to be ended: Ctrl-C may come in between. */
  defer(step: () => Promise<unknown>): void {
    this.#steps.push(step)
  }

  /** Runs every step, also when one before it fails. Twice is safe. */
  run(): Promise<void> {
    this.#running ??= this.#unwind()
    return this.#running
  }

  get begun(): boolean {
    return this.#running !== undefined
  }

  async #unwind(): Promise<void> {
    for (;;) {
      const step = this.#steps.pop()
      if (!step) return
      await step().catch(error => process.stderr.write(`could not clean up: ${error.message}\n`))
    }
  }
}

/** Gives `work` what it needs for a while, and ends that with it, or with everything else if that comes first. */
export async function within<T>(outer: Cleanup, work: (inner: Cleanup) => Promise<T>): Promise<T> {
  const inner = new Cleanup()
  outer.defer(() => inner.run())
  try {
    return await work(inner)
  } finally {
    await inner.run()
  }
}

/** Ctrl-C and SIGTERM clean up and end the process with the shell's code for them. */
export function cleanUpOnSignal(cleanup: Cleanup): void {
  const end = (signal: 'SIGINT' | 'SIGTERM') => {
    if (cleanup.begun) return
    process.stderr.write('stopping and removing everything\n')
    void cleanup.run().then(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
}
