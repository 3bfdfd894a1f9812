export type Better = 'higher' | 'lower'

/** What a ratio is held against; a bar of null means that it is only shown. */
export type Rule = { bar: number | null; better: Better; meaning: string }

/** Every ratio this benchmark takes, a time and a size. The keys are an interface: whoever reads the JSON knows them. */
export const RULES = {
  accept_events_vs_pgbench: {
    bar: null,
    better: 'higher',
    meaning: 'single events accepted per second / pgbench transactions per second',
  },
  accept_p99_vs_insert: {
    bar: 2,
    better: 'lower',
    meaning: 'p99 of the answer at 500 requests/s / p99 of a lone INSERT',
  },
  accept_batch_events_vs_pgbench: {
    bar: null,
    better: 'higher',
    meaning: 'events accepted per second in batches of 100 / pgbench transactions per second',
  },
  ingest_vs_pgbench: {
    bar: 3,
    better: 'higher',
    meaning: 'messages per second from webhook to inbox / pgbench transactions per second',
  },
  ingest_vs_bare_sql: {
    bar: 0.5,
    better: 'higher',
    meaning: 'messages per second from webhook to inbox / the same rows by bare SQL',
  },
  list_p50_vs_sql: {
    bar: 2,
    better: 'lower',
    meaning: 'p50 of GET /v1/conversations / p50 of its SQL in a transaction',
  },
  open_p50_vs_sql: {
    bar: 2,
    better: 'lower',
    meaning: "p50 of a conversation's messages over HTTP / p50 of their SQL in a transaction",
  },
  search_p50_vs_sql: {
    bar: 2,
    better: 'lower',
    meaning: 'p50 of GET /v1/search/messages / p50 of its SQL in a transaction, of the word for which it is highest',
  },
  list_p99_growth: {
    bar: 1.3,
    better: 'lower',
    meaning: 'p99 of GET /v1/conversations with a million there / with ten thousand there',
  },
  deep_page_vs_first: {
    bar: 1.3,
    better: 'lower',
    meaning: 'p50 of the thousandth page of the list / p50 of its first',
  },
  list_p50_vs_roundtrip: {
    bar: null,
    better: 'lower',
    meaning: 'p50 of GET /v1/conversations / p50 of SELECT 1',
  },
  next_p99_vs_roundtrip: {
    bar: 20,
    better: 'lower',
    meaning: 'p99 of POST /v1/inboxes/{id}/next, fifty agents at once / p99 of SELECT 1, fifty connections at once',
  },
  summary_p50_vs_sql: {
    bar: 2,
    better: 'lower',
    meaning:
      'p50 of GET /v1/sla/summary of a year of five million messages / p50 of the query of its sums in a transaction',
  },
  reply_p50_over_network_ms: {
    bar: null,
    better: 'lower',
    meaning: "p50, in ms, from the 202 of a reply to its acceptance by the network, without the network's own time",
  },
  fairness_lag: {
    bar: 3,
    better: 'lower',
    meaning: "p50 of a quiet channel's lag while another drains 100 000 events / p50 of its lag alone",
  },
  ingest_history_slowdown: {
    bar: 1.3,
    better: 'lower',
    meaning: 'messages per second with 10 thousand stored / with 5 million stored',
  },
  sse_p99_ms: {
    bar: 250,
    better: 'lower',
    meaning:
      'p99, in ms, from a commit to its arrival at a reader of the stream, at 500 a second beside 10 000 idle streams',
  },
  worker_rss_mb: {
    bar: 200,
    better: 'lower',
    meaning: 'the most memory, in MB, that a worker takes while it drains a million events',
  },
  breach_storm_seconds: {
    bar: 5,
    better: 'lower',
    meaning:
      'seconds from the first of ten thousand clocks that fall due in one second until all are recorded, beside a million',
  },
  breach_lag_p99_ms: {
    bar: 1000,
    better: 'lower',
    meaning: 'p99, in ms, from the due time of a clock to the detection of its breach, at 50 a second beside a million',
  },
  idle_tick_ms: {
    bar: 5,
    better: 'lower',
    meaning: 'p50, in ms, of a tick with nothing due beside a million clocks',
  },
  idle_tick_growth: {
    bar: 1.3,
    better: 'lower',
    meaning: 'p50 of a tick with nothing due beside a million clocks / beside ten thousand',
  },
} satisfies Record<string, Rule>

export type RatioKey = keyof typeof RULES
