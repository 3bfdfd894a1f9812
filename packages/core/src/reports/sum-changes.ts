/** What changes about sums when some of what they add up takes the place of other. `amounts`: what is added; all else is key. */
export function changesOf<Fact, Sum extends { at: unknown }, Amount extends keyof Sum & string>(
  sumsOf: (fact: Fact) => Sum[],
  amounts: readonly Amount[],
  before: Fact[],
  after: Fact[],
): Sum[] {
  const changes = new Map<string, Sum>()
  const isAmount = (column: string) => (amounts as readonly string[]).includes(column)
  const add = (sum: Sum, sign: 1 | -1) => {
    const key = Object.entries(sum)
      .filter(([column]) => !isAmount(column))
      .map(([, value]) => (value instanceof Date ? value.getTime() : String(value)))
      .join('\0')
    const change = changes.get(key) ?? { ...sum, ...Object.fromEntries(amounts.map(amount => [amount, 0])) }
    const total = (amount: Amount) => Number(change[amount]) + sign * Number(sum[amount])
    changes.set(key, { ...change, ...Object.fromEntries(amounts.map(amount => [amount, total(amount)])) })
  }
  for (const fact of before) for (const sum of sumsOf(fact)) add(sum, -1)
  for (const fact of after) for (const sum of sumsOf(fact)) add(sum, 1)
  return [...changes.values()].filter(change => amounts.some(amount => Number(change[amount]) !== 0))
}
