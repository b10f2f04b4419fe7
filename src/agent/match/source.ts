/**
 * A file the agent follows: read at the start, again at each change, and on SIGHUP. A bad edit keeps the last good
 * reading and is said everywhere; a file that is bad at the start is a fault of the configuration.
 */
import type { FileReading, FileWatch } from '../../os/watch.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import type { Feed } from '../../runtime/feed.ts'
import { createFeed } from '../../runtime/feed.ts'

export interface SourceState {
  readonly name: string
  readonly file: string
  /** ms since the epoch, of the reading in use */
  readonly loadedAt: number
  /** Why the file as it stands is not in use; undefined when it is. */
  readonly fault: string | undefined
}

export interface Source<T> {
  readonly content: Feed<T>
  readonly state: SourceState
  /** Looks at the file now. */
  check(): void
  close(): void
}

export interface SourceOptions<T> {
  /** For people and metrics: `entries`, `bundle partner.test`. */
  readonly name: string
  readonly file: string
  readonly clock: Clock
  readonly watch: (file: string, changed: (reading: FileReading) => void) => FileWatch
  /** @throws SpindleError naming what is wrong */
  readonly parse: (text: string) => T
  /** After every reading but the first. */
  readonly onReload: (state: SourceState) => void
}

/** @throws SpindleError `config_invalid` when the first reading cannot be used. */
export function openSource<T>(options: SourceOptions<T>): Source<T> {
  const { name, file, clock } = options
  const watch = options.watch(file, (reading) => reload(reading))
  let content: ReturnType<typeof createFeed<T>>
  let state: SourceState
  try {
    content = createFeed(options.parse(textOf(watch.current, file)))
    state = { name, file, loadedAt: clock.now(), fault: undefined }
  } catch (thrown) {
    watch.close()
    throw thrown
  }

  function reload(reading: FileReading): void {
    let parsed: T
    try {
      parsed = options.parse(textOf(reading, file))
    } catch (thrown) {
      state = { ...state, fault: messageOf(thrown) }
      return options.onReload(state)
    }
    state = { name, file, loadedAt: clock.now(), fault: undefined }
    content.set(parsed)
    options.onReload(state)
  }

  return {
    content,
    get state() {
      return state
    },
    check: () => watch.check(),
    close: () => watch.close(),
  }
}

function textOf(reading: FileReading, file: string): string {
  if ('text' in reading) return reading.text
  throw new SpindleError('config_invalid', `${file}: ${reading.fault}`)
}
