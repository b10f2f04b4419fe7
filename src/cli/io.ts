/** What a command may touch of the process it runs in: passed in, so that a test can stand in for it. */
export interface Io {
  out(text: string): void
  err(text: string): void
  /** How many times `err` could not write. */
  readonly errFailures?: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  /** All of standard input as text, of which there is at most 64 MiB; undefined where it is a terminal. */
  readonly input?: () => Promise<string>
  /** Runs `listen` at each arrival of the signal; the result stops that. */
  onSignal(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listen: () => void): () => void
  /** undefined where `out` is no terminal. */
  readonly terminal?: Terminal
  /** Aborted once nobody reads `out` any more, as after `| head`. */
  readonly outClosed?: AbortSignal
}

export interface Terminal {
  size(): { readonly columns: number; readonly rows: number }
  /** Runs `listen` when the size is another; the result stops that. */
  onResize(listen: () => void): () => void
}

/** Ends a command that says by itself what is wrong, in its own words; one that says nothing has said it before. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly exitCode: 1 | 3

  constructor(exitCode: 1 | 3, message = '') {
    super(message)
    this.exitCode = exitCode
  }
}

export type Format = 'table' | 'json' | 'yaml'
export const FORMATS: readonly Format[] = ['table', 'json', 'yaml']
