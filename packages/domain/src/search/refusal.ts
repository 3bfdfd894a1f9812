import { DomainError } from '../errors.ts'

/** What is wrong with a search, said about its parameter. */
export const refused = (detail: string): DomainError =>
  new DomainError('validation_failed', detail, { errors: [{ pointer: '/q', detail }] })
