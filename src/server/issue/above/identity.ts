/** The X.509-SVID that this server shows to the one above: of the Workload API of an agent on this host. */
import type { Clock } from '../../../runtime/clock.ts'
import { messageOf, SpindleError } from '../../../runtime/errors.ts'
import { createFeed } from '../../../runtime/feed.ts'
import type { Feed } from '../../../runtime/feed.ts'
import { keepAlive } from '../../../runtime/keep-alive.ts'
import type { Random } from '../../../runtime/random.ts'
import { trustDomainOf } from '../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { createWorkloadClient } from '../../../workload/client.ts'
import type { X509Svid } from '../../../workload/x509.ts'

export interface OwnIdentity {
  /** undefined: none yet, or none any more. */
  readonly svid: Feed<X509Svid | undefined>
  /** Waits for one for a while. @throws SpindleError `authority_unavailable` */
  first(): Promise<X509Svid>
  close(): void
}

export interface OwnIdentityOptions {
  readonly trustDomain: TrustDomain
  readonly workloadApiSocket: string
  readonly clock: Clock
  readonly random: Random
}

/** Less than what is waited for an answer from above. */
const FIRST_MS = 8_000
/** After what asking again at once would only repeat. */
const AGAIN_MS = 5_000

export function createOwnIdentity(options: OwnIdentityOptions): OwnIdentity {
  const { trustDomain, workloadApiSocket: path, clock, random } = options
  const svid = createFeed<X509Svid | undefined>(undefined)
  const closing = new AbortController()
  const client = createWorkloadClient({ kind: 'unix', path }, { clock, random })
  let fault = 'it has not answered yet'
  const watch = (): void => {
    const again = (thrown: unknown): void => {
      fault = messageOf(thrown)
      if (!closing.signal.aborted) clock.after(AGAIN_MS, watch)
    }
    client
      .watchX509({
        signal: closing.signal,
        onUpdate({ svids }) {
          const own = svids.find(({ spiffeId }) => trustDomainOf(spiffeId) === trustDomain)
          if (own === undefined) fault = `it gives none of ${trustDomain}`
          svid.set(own)
        },
        onFault({ error, isDenied }) {
          fault = error.message
          if (isDenied) svid.set(undefined)
        },
      })
      .catch(again)
  }
  watch()
  return {
    svid,
    async first() {
      const found = svid.current ?? (await next(svid, clock))
      if (found !== undefined) return found
      const why = `no X.509-SVID from the Workload API at ${path}: ${fault}`
      throw new SpindleError('authority_unavailable', why)
    },
    close() {
      closing.abort()
      client.close()
    },
  }
}

/** undefined: it took too long. */
function next<T>(feed: Feed<T | undefined>, clock: Clock): Promise<T | undefined> {
  return new Promise((resolve) => {
    // At the start there may be nothing else to wait for.
    const release = keepAlive()
    const settle = (value: T | undefined): void => {
      release()
      timer.cancel()
      stop()
      resolve(value)
    }
    const timer = clock.after(FIRST_MS, () => settle(undefined))
    const stop = feed.subscribe((value) => value !== undefined && settle(value))
  })
}
