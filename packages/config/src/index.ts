export { type Config, ConfigError, readConfig } from './env.ts'
export { createLogger, type Logger } from './logger.ts'
export { closeOnSignal } from './shutdown.ts'
