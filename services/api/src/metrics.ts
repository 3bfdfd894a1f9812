import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

/** What Prometheus reads at /metrics. Labels are few and bounded: routes, not URLs. */
export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const common = { registers: [registry] }
  return {
    registry,
    requestSeconds: new Histogram({
      name: 'parley_http_request_seconds',
      help: 'Time from request to answer, by route',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      ...common,
    }),
    inboundEvents: new Counter({
      name: 'parley_inbound_events_total',
      help: 'Events received by webhook: accepted, duplicate or rejected',
      labelNames: ['outcome'],
      ...common,
    }),
    hintsLost: new Counter({
      name: 'parley_hints_lost_total',
      help: 'Hints to workers that could not be queued; the sweeper makes up for them',
      labelNames: ['queue'],
      ...common,
    }),
    eventStreams: new Counter({
      name: 'parley_event_streams_total',
      help: 'Event streams opened and closed',
      labelNames: ['change'],
      ...common,
    }),
  }
}
