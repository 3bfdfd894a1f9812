/** What the stored answer of a request with an Idempotency-Key is sealed for. */
export function answerContext(
  workspace_id: string,
  { credential_id, route, key }: { credential_id: string; route: string; key: string },
): string {
  return `answer:${[workspace_id, credential_id, route, key].join(':')}`
}
