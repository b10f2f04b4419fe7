/** The server above a nested one, as its authority needs it; who speaks SPIRE's API to it is behind this. */
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'

/** An X.509 authority of the bundle above. */
export interface UpstreamRoot {
  /** DER. */
  readonly certificate: Buffer
  /** What leads to it is to be signed anew. */
  readonly tainted: boolean
}

/** All DER; checked by who asked, not by the port. */
export interface UpstreamCa {
  /** The CA certificate for the key of the request, then what stands between it and a root. */
  readonly chain: readonly Buffer[]
  readonly roots: readonly Buffer[]
}

export interface Upstream {
  /**
   * `NewDownstreamX509CA`. Its answer is waited for until `signal` is aborted, and not longer.
   * @param csr DER
   * @throws SpindleError
   */
  newDownstreamCa(csr: Buffer, ttlMs: number, signal: AbortSignal): Promise<UpstreamCa>
  /** Calls `run` with all roots, once they are known and whenever they change; connects again by itself. */
  watchRoots(run: (roots: readonly UpstreamRoot[]) => void): () => void
}

/** Those that ask for SVIDs meanwhile are waiting where nothing can sign yet. */
export const UPSTREAM_DEADLINE_MS = 10_000

/** What `ask` resolves to; rejects after the deadline or once `closing` is aborted, whatever `ask` does. */
export async function inTime<T>(
  clock: Clock,
  closing: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = `the upstream server did not answer within ${UPSTREAM_DEADLINE_MS / 1000} s`
  const ending = new AbortController()
  const ended = new Promise<never>((_, reject) => {
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason as Error))
  })
  const close = (): void => ending.abort(unavailable('the authority is closed'))
  const timer = clock.after(UPSTREAM_DEADLINE_MS, () => ending.abort(unavailable(late)))
  closing.addEventListener('abort', close)
  if (closing.aborted) close()
  try {
    return await Promise.race([ended, ask(ending.signal)])
  } finally {
    timer.cancel()
    closing.removeEventListener('abort', close)
  }
}

export const unavailable = (why: string): SpindleError =>
  new SpindleError('authority_unavailable', why)
