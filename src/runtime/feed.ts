/** The latest value of something that changes, and word of each change. */
export interface Feed<T> {
  readonly current: T
  /** `listen` is called after each change, in the order of subscription; it is not called for the current value. */
  subscribe(listen: (value: T, before: T) => void): () => void
}

export interface MutableFeed<T> extends Feed<T> {
  /** Publishes `value`; identical values (`Object.is`) are no change. */
  set(value: T): void
}

export function createFeed<T>(initial: T): MutableFeed<T> {
  let current = initial
  const listeners = new Set<(value: T, before: T) => void>()
  return {
    get current() {
      return current
    },
    subscribe(listen) {
      const own = (value: T, before: T): void => listen(value, before)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    set(value) {
      if (Object.is(value, current)) return
      const before = current
      current = value
      const round = Array.from(listeners)
      for (const listen of round) if (listeners.has(listen)) listen(value, before)
    },
  }
}
