import { isBeating } from './heartbeat.ts'

// For container health checks: exits 0 while the worker of this container does its work.
if (!(await isBeating(new Date()))) {
  process.stderr.write('the worker has not reached its database for 30 seconds\n')
  process.exit(1)
}
