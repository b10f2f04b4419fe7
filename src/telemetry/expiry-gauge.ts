import { Gauge } from 'prom-client'
import type { GaugeConfiguration } from 'prom-client'
import type { Clock } from '../runtime/clock.ts'

/** Instants that are shown as the seconds left until each of them. */
export interface ExpiryGauge {
  /** `at`: ms since the epoch. `key` is the label's value, and '' where the metric has no label. */
  set(key: string, at: number): void
  remove(key: string): void
}

/** The label of all series beyond the limit; no SPIFFE ID and no configured trust domain is written so. */
const OTHERS = 'others'

/**
 * A gauge worked out at each scrape. At most `maxSeries` keys have a series of their own, the ones set first; the rest share
 * one, with the least of them, so that an alert on the minimum misses nothing.
 */
export function createExpiryGauge(options: {
  readonly config: GaugeConfiguration<string>
  readonly clock: Clock
  readonly maxSeries: number
  /** undefined: a metric without labels, for one instant. */
  readonly label?: string
}): ExpiryGauge {
  const instants = new Map<string, number>()
  const gauge = new Gauge({
    ...options.config,
    collect() {
      gauge.reset()
      // Without labels prom-client resets to 0, which would read as expired: no series says that nothing is known.
      if (options.label === undefined) gauge.remove()
      const now = options.clock.now()
      const seconds = (at: number): number => (at - now) / 1000
      let own = 0
      let least = Infinity
      for (const [key, at] of instants) {
        if (options.label === undefined) gauge.set(seconds(at))
        else if (own < options.maxSeries) gauge.set({ [options.label]: key }, seconds(at))
        else least = Math.min(least, seconds(at))
        own++
      }
      if (options.label !== undefined && least < Infinity)
        gauge.set({ [options.label]: OTHERS }, least)
    },
  })
  return {
    set: (key, at) => void instants.set(key, at),
    remove: (key) => void instants.delete(key),
  }
}
