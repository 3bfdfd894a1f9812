import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { atLeast, ROLES } from '@parley/domain'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject, validatorCompiler } from 'fastify-type-provider-zod'
import { v4 } from 'uuid'
import { serializerCompiler } from './answer-writer.ts'
import type { ApiContext } from './context.ts'
import { createCursors } from './cursors.ts'
import { authPlugin } from './plugins/auth.ts'
import { answerClientError } from './plugins/client-errors.ts'
import { errorsPlugin, frameworkProblem } from './plugins/errors.ts'
import { inputPlugin } from './plugins/input.ts'
import { sendProblem } from './plugins/problem.ts'
import { SECURITY_HEADERS } from './plugins/security-headers.ts'
import { apiKeyRoutes } from './routes/api-keys.ts'
import { attachmentRoutes } from './routes/attachments.ts'
import { attributeRoutes } from './routes/attributes.ts'
import { auditRoutes } from './routes/audit.ts'
import { backfillRoutes } from './routes/backfills.ts'
import { bulkRoutes } from './routes/bulk.ts'
import { calendarRoutes } from './routes/calendars.ts'
import { channelHealthRoutes } from './routes/channel-health.ts'
import { channelSettingsRoutes } from './routes/channel-settings.ts'
import { channelRoutes } from './routes/channels.ts'
import { contactErasureRoutes } from './routes/contact-erasures.ts'
import { contactExportRoutes } from './routes/contact-exports.ts'
import { contactMergeRoutes } from './routes/contact-merges.ts'
import { contactNoteRoutes } from './routes/contact-notes.ts'
import { contactRoutes } from './routes/contacts.ts'
import { conversationMoveRoutes } from './routes/conversation-moves.ts'
import { conversationRoutes } from './routes/conversations.ts'
import { dismissalReasonRoutes } from './routes/dismissal-reasons.ts'
import { draftRoutes } from './routes/drafts.ts'
import { eventRoutes } from './routes/events.ts'
import { expertLinkRoutes } from './routes/expert-links.ts'
import { feedRoutes } from './routes/feeds.ts'
import { holidayRoutes } from './routes/holidays.ts'
import { inboundWebhookRoutes } from './routes/inbound-webhooks.ts'
import { inboxRoutes } from './routes/inboxes.ts'
import { invitationRoutes } from './routes/invitations.ts'
import { macroRoutes } from './routes/macros.ts'
import { messageActionRoutes } from './routes/message-actions.ts'
import { messageBatchRoutes } from './routes/message-batches.ts'
import { messageFlagRoutes } from './routes/message-flags.ts'
import { notificationRoutes } from './routes/notifications.ts'
import { operationRoutes } from './routes/operation.ts'
import { ownershipRoutes } from './routes/ownership.ts'
import { parkedEventRoutes } from './routes/parked-events.ts'
import { peopleRoutes } from './routes/people.ts'
import { policyRoutes } from './routes/policies.ts'
import { postRoutes } from './routes/posts.ts'
import { presenceRoutes } from './routes/presence.ts'
import { replyRoutes } from './routes/replies.ts'
import { reportRoutes } from './routes/reports.ts'
import { ruleRoutes } from './routes/rules.ts'
import { savedReplyRoutes } from './routes/saved-replies.ts'
import { searchRoutes } from './routes/search.ts'
import { secondFactorRoutes } from './routes/second-factor.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { slaRoutes } from './routes/sla.ts'
import { slaForecastRoutes } from './routes/sla-forecast.ts'
import { slaSelfCheckRoutes } from './routes/sla-self-check.ts'
import { slaSummaryRoutes } from './routes/sla-summary.ts'
import { tagRoutes } from './routes/tags.ts'
import { taskRoutes } from './routes/tasks.ts'
import { teamRoutes } from './routes/teams.ts'
import { triageRoutes } from './routes/triage.ts'
import { viewRoutes } from './routes/views.ts'
import { watcherRoutes } from './routes/watchers.ts'
import { SESSION_COOKIE } from './session-cookie.ts'

/** The whole API, not yet listening. Closing it closes nothing of `ctx`. */
export async function buildApp(ctx: ApiContext): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: ctx.logger as FastifyBaseLogger,
    // One line per request, written by our own hook.
    logController: new LogController({ disableRequestLogging: true }),
    // Never the caller's: a request id from outside could be anything.
    genReqId: () => v4(),
    // Whose word is taken for where a request comes from; nobody's, unless they are named.
    trustProxy: ctx.config.PARLEY_TRUSTED_PROXIES.length > 0 ? ctx.config.PARLEY_TRUSTED_PROXIES : false,
    bodyLimit: 1024 * 1024,
    // As long as the largest upload may take; headers have no reason to be slow.
    requestTimeout: 120_000,
    http: { headersTimeout: 30_000 },
    keepAliveTimeout: 72_000,
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, request, reply) => {
      const draft = frameworkProblem(error) ?? { code: 'invalid_request', status: 400, title: 'Invalid request' }
      sendProblem(request, reply as never, draft)
    },
    clientErrorHandler: (error, socket) => answerClientError(error, socket),
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)

  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS)
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    const status = reply.statusCode
    ctx.metrics.requestSeconds.observe({ method: request.method, route, status }, reply.elapsedTime / 1000)
    const { workspace_id, id: credential_id } = request.credential ?? {}
    // The route, not the URL: a query may hold what people wrote.
    const fields = { request_id: request.id, method: request.method, route, status, workspace_id, credential_id }
    request.log.info({ ...fields, duration_ms: Math.round(reply.elapsedTime * 10) / 10 }, 'request')
  })

  await app.register(errorsPlugin)
  await app.register(inputPlugin)
  await registerDocs(app)
  await app.register(authPlugin, { ctx })

  const options = { ctx, cursors: createCursors(ctx.config.PARLEY_SECRET_KEY) }
  await app.register(operationRoutes, options)
  await app.register(inboundWebhookRoutes, { ...options, prefix: '/hooks' })
  const versioned = [
    ...[
      conversationRoutes,
      ownershipRoutes,
      conversationMoveRoutes,
      draftRoutes,
      presenceRoutes,
      replyRoutes,
      messageActionRoutes,
      messageFlagRoutes,
      channelRoutes,
      channelSettingsRoutes,
      channelHealthRoutes,
    ],
    ...[tagRoutes, viewRoutes, attributeRoutes, triageRoutes, postRoutes, dismissalReasonRoutes],
    ...[bulkRoutes, messageBatchRoutes, macroRoutes, ruleRoutes],
    ...[
      attachmentRoutes,
      savedReplyRoutes,
      backfillRoutes,
      parkedEventRoutes,
      slaRoutes,
      slaSelfCheckRoutes,
      eventRoutes,
    ],
    ...[
      inboxRoutes,
      teamRoutes,
      peopleRoutes,
      invitationRoutes,
      apiKeyRoutes,
      sessionRoutes,
      secondFactorRoutes,
      auditRoutes,
    ],
    ...[contactRoutes, contactNoteRoutes, contactMergeRoutes, contactErasureRoutes, contactExportRoutes],
    ...[
      calendarRoutes,
      holidayRoutes,
      policyRoutes,
      reportRoutes,
      slaSummaryRoutes,
      slaForecastRoutes,
      feedRoutes,
      searchRoutes,
    ],
    ...[watcherRoutes, notificationRoutes, taskRoutes, expertLinkRoutes],
  ]
  for (const routes of versioned) {
    await app.register(routes, { ...options, prefix: '/v1' })
  }
  return app
}

const REFUSED = {
  description: 'Refused, as problem+json',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

/** One description, made from the schemas that check requests and write answers. */
async function registerDocs(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Parley', version: '0.1.0', description: 'A shared inbox for public conversations.' },
      components: {
        securitySchemes: {
          api_key: { type: 'http', scheme: 'bearer', bearerFormat: 'parley_…' },
          session: { type: 'http', scheme: 'bearer', bearerFormat: 'parley_session_…' },
          session_cookie: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
        },
      },
      security: [{ api_key: [] }, { session: [] }, { session_cookie: [] }],
    },
    transform: input => {
      const { documentedBody } = input.route.config ?? {}
      const described = documentedBody ? { ...input.schema, body: documentedBody } : input.schema
      const transformed = jsonSchemaTransform({ ...input, schema: described })
      const schema = transformed.schema as Record<string, unknown> | undefined
      if (!schema || schema.hide) return transformed
      const access = input.route.config?.access
      if (access === 'public') schema.security = []
      else {
        schema['x-role'] = access
        schema['x-roles'] = ROLES.filter(role => access && atLeast(role, access))
      }
      schema.response = { ...(schema.response as object), default: REFUSED }
      return transformed
    },
    transformObject: jsonSchemaTransformObject,
  })
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true })
  app.get('/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, async () => app.swagger())
}
