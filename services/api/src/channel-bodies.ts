import { connectorFor } from '@parley/connectors'
import { channelBody, channelPatch, reconnectBody } from '@parley/contracts'
import { CHANNEL_KINDS, type ChannelKind } from '@parley/domain'
import { z } from 'zod'

// What a kind asks for is known to its connector alone, and checked with the same schemas by `connectChannel`, which
// tells apart whether it is the settings or the credentials that do not fit. These describe them to readers.

type Branch = ReturnType<typeof newChannelOf>

function newChannelOf(kind: ChannelKind) {
  const { settingsSchema, credentialsSchema, generateCredentials } = connectorFor(kind)
  const settings = settingsSchema.safeParse({}).success ? settingsSchema.optional() : settingsSchema
  const credentials = generateCredentials ? credentialsSchema.optional() : credentialsSchema
  return channelBody.extend({ kind: z.literal(kind), settings, credentials }).meta({ title: kind })
}

/** A new channel, by its kind. */
export const newChannelByKind = z.discriminatedUnion('kind', CHANNEL_KINDS.map(newChannelOf) as [Branch, ...Branch[]])

/** A change of a channel, with the settings of any kind. */
export const channelPatchByKind = channelPatch.extend({
  settings: z.union(CHANNEL_KINDS.map(kind => connectorFor(kind).settingsSchema.meta({ title: kind }))).optional(),
})

/** New credentials of any kind. */
export const reconnectByKind = reconnectBody.extend({
  credentials: z.union(CHANNEL_KINDS.map(kind => connectorFor(kind).credentialsSchema.meta({ title: kind }))),
})
