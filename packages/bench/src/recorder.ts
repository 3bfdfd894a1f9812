import type { RatioKey } from './ratios.ts'
import type { Figure, Results } from './report.ts'

/** Collects what each run measured. */
export type Recorder = {
  ratio(key: RatioKey, value: number): void
  figure(name: string, unit: string, value: number): void
  /** The ratio cannot be taken on this machine. */
  notRun(key: RatioKey, reason: string): void
  results: Results
}

export function createRecorder(): Recorder {
  const results: Results = { samples: {}, notRun: {}, figures: [] }
  const figures = new Map<string, Figure>()
  return {
    results,
    ratio: (key, value) => {
      results.samples[key] = [...(results.samples[key] ?? []), value]
    },
    figure: (name, unit, value) => {
      const known = figures.get(name)
      if (known) return void known.values.push(value)
      const figure = { name, unit, values: [value] }
      figures.set(name, figure)
      results.figures.push(figure)
    },
    notRun: (key, reason) => {
      results.notRun[key] = reason
    },
  }
}
