import { Gauge } from 'prom-client'
import type { GaugeConfiguration } from 'prom-client'
import type { Clock } from '../runtime/clock.ts'

/** RFC 5280 4.1.2.5: the end of what has none that is known; nothing is shown of it. */
export const NO_END = Date.UTC(9999, 11, 31, 23, 59, 59)

/** Lives that are shown by what is left of them. */
export interface ExpiryGauge<T> {
  /** `key` is the label's value, and '' where the metric has no label. */
  set(key: string, end: T): void
  remove(key: string): void
}

/** ms since the epoch. */
export interface Life {
  readonly notBefore: number
  readonly notAfter: number
}

/** `at`: ms since the epoch. */
export const secondsLeft = (at: number, now: number): number => (at - now) / 1000

/** 1 at its beginning, 0 at its end, and below 0 after it. */
export const lifeLeft = ({ notBefore, notAfter }: Life, now: number): number =>
  (notAfter - now) / (notAfter - notBefore)

/** The label of all series beyond the limit; no SPIFFE ID and no configured trust domain is written so. */
const OTHERS = 'others'

/**
 * A gauge worked out at each scrape. At most `maxSeries` keys have a series of their own, the ones set first; the rest share
 * one, with the least of them, so that an alert on the minimum misses nothing.
 */
export function createExpiryGauge<T>(options: {
  readonly config: GaugeConfiguration<string>
  readonly clock: Clock
  readonly maxSeries: number
  readonly left: (end: T, now: number) => number
  /** undefined: a metric without labels, for one life. */
  readonly label?: string
}): ExpiryGauge<T> {
  const ends = new Map<string, T>()
  const { left, label } = options
  const gauge = new Gauge({
    ...options.config,
    collect() {
      gauge.reset()
      // Without labels prom-client resets to 0, which would read as expired: no series says that nothing is known.
      if (label === undefined) gauge.remove()
      const now = options.clock.now()
      let own = 0
      let least = Infinity
      for (const [key, end] of ends) {
        if (label === undefined) gauge.set(left(end, now))
        else if (own < options.maxSeries) gauge.set({ [label]: key }, left(end, now))
        else least = Math.min(least, left(end, now))
        own++
      }
      if (label !== undefined && least < Infinity) gauge.set({ [label]: OTHERS }, least)
    },
  })
  return {
    set: (key, end) => void ends.set(key, end),
    remove: (key) => void ends.delete(key),
  }
}
