/** A rotation that is asked for: each step waits for the one before to have reached the sidecars. */
import type { X509Authority } from '../../../authority/authority.ts'
import type { JwtAuthority } from '../../../authority/jwt/jwt-authority.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Identities } from '../../obtain/identities.ts'
import type { Sds } from '../sds.ts'
import type { HeldSecretView } from '../stream.ts'
import type { Workload } from '../workload/service.ts'

export interface RotationReport {
  readonly activeAuthorityId: string
  readonly acknowledged: number
  readonly holding: number
  readonly renewed: number
}

/**
 * Prepares a next authority, waits until every stream that holds a bundle has acknowledged the one with it, or, where nothing
 * is acknowledged, has taken it in (at most `publishMs`), and connections begun before have settled, lets it sign, and renews every identity. Nothing is taken away, so no stream is closed.
 */
export async function rotateAuthority(parts: {
  readonly authority: X509Authority
  readonly identities: Identities
  readonly sds: Sds
  readonly workload: Workload
  readonly clock: Clock
  readonly publishMs: number
}): Promise<RotationReport> {
  const { authority, identities, sds, workload } = parts
  await authority.prepare()
  await published(parts)
  if (heldBundles(sds).length > 0 || workload.streams.size > 0) await passed(parts.clock, SETTLE_MS)
  const bundles = heldBundles(sds)
  await authority.activate()
  const renewed = await identities.renewAll()
  const active = authority.state.current.slots.find((slot) => slot.status === 'active')
  return {
    activeAuthorityId: active?.authorityId ?? '',
    acknowledged: bundles.filter(({ status }) => status === 'acknowledged').length,
    holding: bundles.length,
    renewed,
  }
}

/**
 * A handshake that began before its Envoy had the new bundle must not meet a certificate of the new authority. After this
 * long it is over: the recommended `connect_timeout` of 1 s would have ended it.
 */
const SETTLE_MS = 1_000

function passed(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}

/** The bundles that streams were given and may still be given. */
function heldBundles(sds: Sds): readonly HeldSecretView[] {
  return [...sds.streams].flatMap((stream) =>
    stream
      .held()
      .filter(({ kind, sent, status }) => kind === 'bundle' && sent && status !== 'revoked'),
  )
}

/** Resolves when no bundle is on its way any more, or after `publishMs`. */
function published({
  sds,
  workload,
  clock,
  publishMs,
}: {
  readonly sds: Sds
  readonly workload: Workload
  readonly clock: Clock
  readonly publishMs: number
}): Promise<void> {
  // For one that was rejected there is nothing to wait: it is not sent again.
  const done = (): boolean =>
    sds.pushesWaiting === 0 &&
    workload.unsettled === 0 &&
    heldBundles(sds).every(({ status }) => status === 'acknowledged' || status === 'rejected')
  if (done()) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      for (const unsubscribe of unsubscribes) unsubscribe()
      timer.cancel()
      resolve()
    }
    const timer = clock.after(publishMs, finish)
    const unsubscribes = [sds, workload].map((service) =>
      service.onProgress(() => {
        if (done()) finish()
      }),
    )
  })
}

export interface JwtRotationReport {
  readonly activeAuthorityId: string
  /** What signs next; undefined: it signs already. */
  readonly prepared?: { readonly authorityId: string; readonly activatesAt?: number }
}

/**
 * Has the key for JWT-SVIDs replaced. Nobody says which bundle of keys it has, so the next one signs once it was out for
 * long enough, or, where it is asked for `now`, at once.
 */
export async function rotateJwtKey(
  authority: JwtAuthority,
  now: boolean,
): Promise<JwtRotationReport> {
  if (now) {
    await authority.prepare()
    await authority.activate()
  } else {
    await authority.replace()
  }
  const { slots } = authority.state.current
  const active = slots.find((slot) => slot.status === 'active')
  const prepared = slots.find((slot) => slot.status === 'prepared')
  return {
    activeAuthorityId: active?.authorityId ?? '',
    ...(prepared !== undefined && { prepared }),
  }
}
