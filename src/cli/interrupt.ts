import type { Io } from './io.ts'

/** For a command that goes on: until Ctrl-C, SIGTERM, or nobody reads what it prints any more. */
export function untilInterrupted(io: Pick<Io, 'onSignal' | 'outClosed'>): {
  readonly signal: AbortSignal
  /** Lets signals do again what they did. */
  restore(): void
} {
  const end = new AbortController()
  const stops = (['SIGINT', 'SIGTERM'] as const).map((name) => io.onSignal(name, () => end.abort()))
  return {
    signal: AbortSignal.any([end.signal, ...(io.outClosed ? [io.outClosed] : [])]),
    restore() {
      for (const stop of stops) stop()
    },
  }
}
