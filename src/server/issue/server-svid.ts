/** The server's own X.509-SVID: what its door shows, kept renewed for as long as the server runs. */
import type { AuthorityState, X509Authority } from '../../authority/authority.ts'
import { pathToAnchor } from '../../authority/chain.ts'
import { generateKey } from '../../certs/keys.ts'
import { retryDelay } from '../../runtime/backoff.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import { createFeed } from '../../runtime/feed.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { Random } from '../../runtime/random.ts'
import { renewalInstant } from '../../runtime/renewal.ts'
import { serverSpiffeId } from '../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { ServerSvid } from './issuing.ts'

/** What happened, for the log and the metrics. Holds no key. */
export type ServerSvidEvent =
  | { readonly kind: 'issued'; readonly notAfter: number; readonly authorityId: string }
  | { readonly kind: 'failed'; readonly message: string; readonly retryMs: number }

export interface ServerSvidOptions {
  readonly trustDomain: TrustDomain
  readonly authority: X509Authority
  readonly ttlMs: number
  readonly clock: Clock
  readonly random: Random
  readonly onEvent: (event: ServerSvidEvent) => void
}

export interface KeptServerSvid {
  readonly svid: Feed<ServerSvid>
  close(): void
}

/** The clock may jump or the machine sleep at any time. */
const LOOK_EVERY_MS = 10_000
const RETRY = { baseMs: 250, maxMs: LOOK_EVERY_MS }

interface Issued extends ServerSvid {
  readonly renewAt: number
}

/** Resolves once there is one. @throws SpindleError where the authority cannot issue it */
export async function keepServerSvid(options: ServerSvidOptions): Promise<KeptServerSvid> {
  const { authority, clock, random, onEvent } = options
  const first = await issue(options)
  const svid = createFeed<Issued>(first)
  let [renewing, closed, failures] = [false, false, 0]
  let timer: Timer | undefined
  /** Another would be no better: signed while the authority was as it is. */
  let triedAt: AuthorityState | undefined

  const isDue = (): boolean => {
    const { current } = svid
    const now = clock.now()
    if (now >= current.renewAt) return true
    const state = authority.state.current
    // The clock went back. Of an authority that began later no other one would be of use.
    const signer = state.slots.find(({ status }) => status === 'active')
    if (now < current.notBefore && now >= (signer?.notBefore ?? 0)) return true
    return state !== triedAt && !isTrusted(current, state)
  }
  const renew = async (): Promise<void> => {
    const state = authority.state.current
    try {
      const next = await issue(options)
      if (closed) return
      triedAt = state
      failures = 0
      svid.set(next)
      onEvent({ kind: 'issued', notAfter: next.notAfter, authorityId: next.authorityId })
    } catch (thrown) {
      if (closed) return
      const lifeLeftMs = svid.current.notAfter - clock.now()
      const limits = lifeLeftMs > 0 ? { ...RETRY, lifeLeftMs } : RETRY
      const retryMs = Math.max(retryDelay(failures++, limits, random.fraction()), RETRY.baseMs)
      onEvent({ kind: 'failed', message: messageOf(thrown), retryMs })
      arm(retryMs)
      return
    }
    arm()
  }
  const look = (): void => {
    if (closed || renewing) return
    if (!isDue()) return arm()
    renewing = true
    void renew().finally(() => (renewing = false))
  }
  const arm = (retryMs?: number): void => {
    timer?.cancel()
    if (closed) return
    const dueMs = retryMs ?? Math.max(svid.current.renewAt - clock.now(), 0)
    timer = clock.after(Math.min(dueMs, LOOK_EVERY_MS), look)
  }
  const unsubscribe = authority.state.subscribe(look)
  onEvent({ kind: 'issued', notAfter: first.notAfter, authorityId: first.authorityId })
  arm()
  return {
    svid,
    close() {
      closed = true
      timer?.cancel()
      unsubscribe()
    },
  }
}

async function issue(options: ServerSvidOptions): Promise<Issued> {
  const { trustDomain, authority, ttlMs, random } = options
  const key = await generateKey('ec-p256')
  const issued = await authority.issue({
    spiffeId: serverSpiffeId(trustDomain),
    dnsNames: [],
    spki: key.spki,
    ttlMs,
  })
  const { chain, notBefore, notAfter, authorityId } = issued
  const renewAt = renewalInstant(issued, random.fraction())
  return { chain, pkcs8: key.pkcs8, notBefore, notAfter, authorityId, renewAt }
}

/** It leads to an anchor that is to stay. */
function isTrusted(
  { chain }: ServerSvid,
  { anchors, taintedAnchors = [] }: AuthorityState,
): boolean {
  const staying = anchors
    .filter((der) => !taintedAnchors.some((tainted) => Buffer.compare(der, tainted) === 0))
    .map((der) => Buffer.from(der))
  return (
    pathToAnchor(
      chain.map((der) => Buffer.from(der)),
      staying,
    ) !== undefined
  )
}
