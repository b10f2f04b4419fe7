/**
 * Follows a file's content through every way it is changed: rewritten in place, renamed over, or reached by a symbolic
 * link that is swapped, as Kubernetes does for ConfigMaps. inotify says when to look; a poll looks anyway, for inotify
 * loses events and does not work on every file system.
 */
import { hash } from 'node:crypto'
import { realpathSync, statSync, watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Timer } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { readLimited } from './files.ts'

export type FileReading = { readonly text: string } | { readonly fault: string }

export interface FileWatch {
  /** The newest reading; the first is made before `watchFile` returns. */
  readonly current: FileReading
  /** Looks now (SIGHUP); `changed` is called before it returns if there is something new. */
  check(): void
  close(): void
}

export interface WatchOptions {
  readonly clock: Clock
  readonly maxBytes: number
  /** latin1: any bytes, one character each; UTF-8 if not said. */
  readonly encoding?: 'latin1'
  /** Called for each reading that differs from the one before, never for the first. */
  readonly changed: (reading: FileReading) => void
  /** ms between looks without an event; 2,000 if not said. */
  readonly pollMs?: number
  /** ms without an event before the file is read, so that a writer can finish; 25 if not said. */
  readonly settleMs?: number
  /** ms a file may be missing or unreadable before that is a fault: it may be on its way; 1,000 if not said. */
  readonly graceMs?: number
}

/** Of `settleMs`: at that time after a first event the file is read however many follow. */
const MOST_SETTLES = 10
/** A file written in the tick of the clock in which it was read shows no other times afterwards. */
const POLLS_THAT_READ_ANYWAY = 2

export function watchFile(path: string, options: WatchOptions): FileWatch {
  return new WatchedFile(path, options)
}

class WatchedFile implements FileWatch {
  readonly #path: string
  readonly #options: WatchOptions
  readonly #folders = new Map<string, { readonly watcher: FSWatcher; readonly id: string }>()
  #current: FileReading
  #digest = ''
  #mark: string
  #readAnyway = POLLS_THAT_READ_ANYWAY
  #failingSince: number | undefined
  #settle: Timer | undefined
  /** Of those since the file was last read. */
  #firstEvent: number | undefined
  #poll: Timer | undefined
  #closed = false

  constructor(path: string, options: WatchOptions) {
    this.#path = path
    this.#options = options
    // Watching begins before the first reading: what changes between them is then an event.
    this.#watchFolders()
    this.#mark = markOf(path)
    this.#current = this.#read()
    if ('text' in this.#current) this.#digest = digestOf(this.#current.text)
    this.#schedulePoll()
  }

  get current(): FileReading {
    return this.#current
  }

  check(): void {
    this.#look(true)
  }

  close(): void {
    this.#closed = true
    this.#settle?.cancel()
    this.#poll?.cancel()
    for (const { watcher } of this.#folders.values()) watcher.close()
    this.#folders.clear()
  }

  #schedulePoll(): void {
    this.#poll = this.#options.clock.after(this.#options.pollMs ?? 2_000, () => {
      this.#look(this.#readAnyway > 0)
      this.#readAnyway -= 1
      this.#schedulePoll()
      if (this.#closed) this.#poll?.cancel()
    })
  }

  #event(): void {
    if (this.#closed) return
    const { clock, settleMs = 25 } = this.#options
    const now = clock.monotonic()
    this.#firstEvent ??= now
    this.#settle?.cancel()
    const waitMs = Math.min(settleMs, this.#firstEvent + MOST_SETTLES * settleMs - now)
    this.#settle = clock.after(Math.max(waitMs, 0), () => {
      this.#settle = undefined
      this.#firstEvent = undefined
      this.#look(true)
    })
  }

  #look(readAnyway: boolean): void {
    if (this.#closed) return
    this.#watchFolders()
    const mark = markOf(this.#path)
    if (mark !== this.#mark) this.#readAnyway = POLLS_THAT_READ_ANYWAY
    else if (!readAnyway && this.#failingSince === undefined) return
    this.#mark = mark
    this.#take(this.#read())
  }

  #take(reading: FileReading): void {
    if ('fault' in reading) {
      const now = this.#options.clock.monotonic()
      this.#failingSince ??= now
      const known = 'fault' in this.#current && this.#current.fault === reading.fault
      if (known) return
      if (now - this.#failingSince < (this.#options.graceMs ?? 1_000)) return
      this.#tell(reading)
      return
    }
    this.#failingSince = undefined
    const digest = digestOf(reading.text)
    if ('text' in this.#current && digest === this.#digest) return
    this.#digest = digest
    this.#tell(reading)
  }

  #tell(reading: FileReading): void {
    this.#current = reading
    this.#options.changed(reading)
  }

  #read(): FileReading {
    try {
      const bytes = readLimited(this.#path, this.#options.maxBytes)
      if (this.#options.encoding === 'latin1') return { text: bytes.toString('latin1') }
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
    } catch (thrown) {
      const encoding =
        (thrown as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
      return { fault: encoding ? `${this.#path} is not UTF-8` : messageOf(thrown) }
    }
  }

  /** The folder of the path sees a link swapped or a file renamed over; that of the real path sees it rewritten. */
  #watchFolders(): void {
    const wanted = new Set([dirname(this.#path)])
    try {
      wanted.add(dirname(realpathSync(this.#path)))
    } catch {
      // Missing just now: its folder tells when it comes.
    }
    for (const [folder, { watcher, id }] of this.#folders) {
      if (wanted.has(folder) && folderId(folder) === id) continue
      watcher.close()
      this.#folders.delete(folder)
    }
    for (const folder of wanted) if (!this.#folders.has(folder)) this.#watchFolder(folder)
  }

  #watchFolder(folder: string): void {
    try {
      const id = folderId(folder)
      const watcher = watch(folder, { persistent: false }, () => this.#event())
      const entry = { watcher, id }
      watcher.on('error', () => {
        watcher.close()
        if (this.#folders.get(folder) === entry) this.#folders.delete(folder)
      })
      this.#folders.set(folder, entry)
    } catch {
      // No folder, or no inotify instances left: the poll goes on and tries again.
    }
  }
}

function markOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(':')
  } catch {
    return ''
  }
}

function folderId(folder: string): string {
  try {
    const { dev, ino } = statSync(folder)
    return `${dev}:${ino}`
  } catch {
    return ''
  }
}

function digestOf(text: string): string {
  return hash('sha256', text, 'base64')
}
