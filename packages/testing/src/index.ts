export { capabilities, comment, firstWorkspace } from './builders.ts'
export { restClient } from './client.ts'
export { connectedChannel, connectorContext } from './connectors.ts'
export { restoredDatabase, type TestDatabase, testDatabase } from './database.ts'
export { onBothBackends, testEnvironment } from './environment.ts'
export type { ShownStatus } from './fake-mastodon/commands.ts'
export { type FakeMastodonServer, mastodonClient, startFakeMastodon } from './fake-mastodon/start.ts'
export { below, type Random, seededRandom, shuffled } from './fake-network/random.ts'
export { type FakeNetwork, startFakeNetwork } from './fake-network/start.ts'
export type { StoryOptions } from './fake-network/story.ts'
export { FaultProxy } from './fault-proxy.ts'
export { has } from './has.ts'
export { checkHistory } from './history/check.ts'
export { MAIL_PACKAGES, type MailServers, startMailServers, whyNoMailServers } from './mail-servers/start.ts'
export { OWN_LOCKS } from './own-locks.ts'
export { ownPostgres } from './own-postgres.ts'
export { ownRedis } from './own-redis.ts'
export { type Service, serviceEnvironment, startApi, startService, TEST_SECRET_KEY } from './processes.ts'
export { type Answer, type Received, startReceiver } from './receiver.ts'
export type { RedisServer } from './redis-server.ts'
export { scenario } from './scenario.ts'
export {
  DATABASE_STEPS,
  killSenders,
  lookNotStored,
  type Senders,
  type SendStep,
  settledReply,
} from './send-steps.ts'
export { writeTableTypes } from './table-types.ts'
export { until } from './until.ts'
