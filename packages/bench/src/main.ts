import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { prepareAccept } from './accept.ts'
import { prepareBacklog } from './backlog.ts'
import { Cleanup, cleanUpOnSignal } from './cleanup.ts'
import { prepareFairness } from './fairness.ts'
import { prepareHistory } from './history.ts'
import { prepareInbox } from './inbox.ts'
import { prepareIngest } from './ingest.ts'
import { prepareList } from './list.ts'
import { prepareNext } from './next.ts'
import { estimateSeconds, HELP, type Options, type Part, readOptions } from './options.ts'
import { NO_PGBENCH, preparePgbench } from './pgbench.ts'
import type { RatioKey } from './ratios.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { prepareReply } from './reply.ts'
import { toJson, toTable } from './report.ts'
import { startServers } from './servers.ts'
import { prepareSla } from './sla.ts'
import { prepareStreams } from './streams.ts'
import { prepareSummary } from './summary.ts'

const AGAINST_PGBENCH: Partial<Record<Part, RatioKey[]>> = {
  accept: ['accept_events_vs_pgbench', 'accept_batch_events_vs_pgbench'],
  ingest: ['ingest_vs_pgbench'],
}

type Measurement = (run: number, record: Recorder) => Promise<void>

const say = (line: string) => process.stderr.write(`${line}\n`)

async function main(args: string[]): Promise<void> {
  const options = readOptions(args)
  if (options.help) return void process.stdout.write(HELP)
  const minutes = Math.max(1, Math.round(estimateSeconds(options) / 60))
  say(`${options.parts.join(', ')}: ${options.runs} runs each, about ${minutes} min on two cores; Ctrl-C removes all`)
  const cleanup = new Cleanup()
  cleanUpOnSignal(cleanup)
  try {
    await measureAll(options, cleanup)
  } catch (error) {
    // Whatever was cut off by the end of its server says nothing.
    if (!cleanup.begun) throw error
  } finally {
    await cleanup.run()
  }
}

async function measureAll(options: Options, cleanup: Cleanup): Promise<void> {
  const servers = await startServers(cleanup, say, options.keep)
  const record = createRecorder()
  const wantsPgbench = options.parts.some(part => AGAINST_PGBENCH[part])
  if (wantsPgbench) say('filling the tables of pgbench')
  const pgbench = wantsPgbench ? await preparePgbench(cleanup, servers) : undefined
  const prepare: Record<Part, (services: Cleanup) => Promise<Measurement>> = {
    accept: services => prepareAccept(services, servers, pgbench),
    ingest: services => prepareIngest(services, servers, pgbench),
    list: services => prepareList(services, servers),
    reply: services => prepareReply(services, servers),
    fairness: services => prepareFairness(services, servers, options.messages),
    inbox: services => prepareInbox(services, servers, say, options.messages && Math.ceil(options.messages / 5)),
    next: services => prepareNext(services, servers, say, options.messages && Math.ceil(options.messages / 5)),
    summary: services => prepareSummary(services, servers, say, options.messages),
    history: services => prepareHistory(services, servers, say, options.messages),
    streams: services => prepareStreams(services, servers, options.messages),
    backlog: services => prepareBacklog(services, servers, say, options.messages),
    sla: services => prepareSla(services, servers, say, options.messages),
  }
  for (const part of options.parts) {
    // A part's services end with it: nothing idle runs beside what is measured.
    const services = new Cleanup()
    cleanup.defer(() => services.run())
    say(`${part}: preparing and warming up`)
    const measure = await prepare[part](services)
    for (let run = 1; run <= options.runs; run += 1) {
      say(`${part}: run ${run} of ${options.runs}`)
      await measure(run, record)
    }
    await services.run()
    if (!pgbench) for (const key of AGAINST_PGBENCH[part] ?? []) record.notRun(key, NO_PGBENCH)
  }
  process.stdout.write(`\n${availableParallelism()} cores, ${servers.description}\n\n${toTable(record.results)}`)
  if (options.json) await writeFile(options.json, `${JSON.stringify(toJson(record.results), null, 2)}\n`)
}

main(process.argv.slice(2)).catch(error => {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
})
