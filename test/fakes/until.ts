import type { Feed } from '../../src/runtime/feed.ts'

/** Resolves with the feed's value as soon as it satisfies `wanted`; rejects, with the value it has, after 20 s of real time. */
export function until<T>(feed: Feed<T>, wanted: (value: T) => boolean): Promise<T> {
  if (wanted(feed.current)) return Promise.resolve(feed.current)
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => {
      stop()
      reject(new Error(`the feed did not come to it: ${JSON.stringify(feed.current)}`))
    }, 20_000)
    const stop = feed.subscribe((value) => {
      if (!wanted(value)) return
      clearTimeout(deadline)
      stop()
      resolve(value)
    })
  })
}
