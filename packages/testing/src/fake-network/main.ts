import { FakeBluesky } from './bluesky-server.ts'
import type { Commands, FromNetwork, ToNetwork } from './commands.ts'
import { openRecord } from './record.ts'
import { sendStory } from './webhook-sender.ts'

const record = openRecord(process.argv[2]!)
const bluesky = new FakeBluesky(record)
const tell = (message: FromNetwork) => process.send?.(message)

const commands: Commands = {
  send: options => sendStory(options, record),
  addAccount: (identifier, password) => bluesky.addAccount(identifier, password),
  publish: (identifier, story) => bluesky.publish(identifier, story),
  publishPoison: (...args) => bluesky.publishPoison(...args),
  misbehave: (identifier, faults) => bluesky.misbehave(identifier, faults),
  restore: identifier => bluesky.restore(identifier),
}

process.on('message', async ({ call, name, args }: ToNetwork) => {
  try {
    const result = await (commands[name] as (...given: unknown[]) => unknown)(...args)
    tell({ call, result: result ?? null })
  } catch (error) {
    tell({ call, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
// Its test is gone: nobody would end it.
process.on('disconnect', () => process.exit(1))
tell({ ready: await bluesky.listen() })
