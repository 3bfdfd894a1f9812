import { startPostgres } from '../src/index.ts'

// A parent to be killed: starts a server over the folder given, says who it is, and waits.
const server = await startPostgres({ dataDir: process.argv[2]!, settings: { fsync: 'off' } })
process.send?.(server.pid)
