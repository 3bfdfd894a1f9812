export * from './connector.ts'
export { createEgressFetch, EgressBlocked, refuseTarget } from './egress.ts'
export * from './errors.ts'
export { connectorFor } from './registry.ts'
