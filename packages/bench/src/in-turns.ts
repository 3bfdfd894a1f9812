/** One of each in turn, so that all meet the same seconds of this machine. Returns how long each took, in ms. */
export async function inTurns<K extends string>(
  contenders: Record<K, () => Promise<unknown>>,
  rounds: number,
): Promise<Record<K, number[]>> {
  const names = Object.keys(contenders) as K[]
  const took = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<K, number[]>
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      const start = performance.now()
      await contenders[name]()
      took[name].push(performance.now() - start)
    }
  }
  return took
}
