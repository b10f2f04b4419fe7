/**
 * Work on many things without holding the event loop: each is queued once, however often it is asked for, and they are
 * run `size` at a time with a turn of the loop between.
 */
export interface Slices<T> {
  add(item: T): void
  /** Forgets an item that is queued. */
  drop(item: T): void
  readonly waiting: number
}

export function createSlices<T>(size: number, run: (item: T) => void): Slices<T> {
  const queue = new Set<T>()
  let scheduled = false
  const turn = (): void => {
    scheduled = false
    let left = size
    for (const item of queue) {
      if (left-- === 0) break
      queue.delete(item)
      run(item)
    }
    if (queue.size > 0) schedule()
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(turn)
  }
  return {
    add(item) {
      queue.add(item)
      schedule()
    },
    drop: (item) => void queue.delete(item),
    get waiting() {
      return queue.size
    },
  }
}

/** Lets what waits in the event loop go first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

/** Calls `listeners` once for a turn of the event loop in which it was called, after what that turn brought was taken in. */
export function onceATurn(listeners: ReadonlySet<() => void>): () => void {
  let telling = false
  return () => {
    if (telling || listeners.size === 0) return
    telling = true
    setImmediate(() => {
      telling = false
      for (const listen of listeners) listen()
    })
  }
}
