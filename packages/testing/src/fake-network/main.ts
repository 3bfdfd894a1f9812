import { serveRemote } from '../remote.ts'
import { FakeBluesky } from './bluesky-server.ts'
import type { Commands } from './commands.ts'
import { openRecord } from './record.ts'
import { sendStory } from './webhook-sender.ts'

const record = openRecord(process.argv[2]!)
const bluesky = new FakeBluesky(record)

const commands: Commands = {
  send: options => sendStory(options, record),
  addAccount: (identifier, password) => bluesky.addAccount(identifier, password),
  publish: (identifier, story) => bluesky.publish(identifier, story),
  publishPoison: (...args) => bluesky.publishPoison(...args),
  withdraw: (...args) => bluesky.withdraw(...args),
  misbehave: (identifier, faults) => bluesky.misbehave(identifier, faults),
  restore: identifier => bluesky.restore(identifier),
}

await serveRemote(commands, () => bluesky.listen())
