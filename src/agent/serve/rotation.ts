/** A rotation that is asked for: each step waits for the one before to have reached the sidecars. */
import type { X509Authority } from '../../authority/authority.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Identities } from '../obtain/identities.ts'
import type { Sds } from './sds.ts'

export interface RotationReport {
  readonly activeAuthorityId: string
  readonly acknowledged: number
  readonly holding: number
  readonly renewed: number
}

/**
 * Prepares a next authority, waits until every stream that holds a bundle has acknowledged the one with it (at most
 * `publishMs`), lets it sign, and renews every identity. Nothing is taken away, so no stream is closed.
 */
export async function rotateAuthority(parts: {
  readonly authority: X509Authority
  readonly identities: Identities
  readonly sds: Sds
  readonly clock: Clock
  readonly publishMs: number
}): Promise<RotationReport> {
  const { authority, identities, sds } = parts
  await authority.prepare()
  await published(parts)
  const { acknowledged, holding } = bundleHolders(sds)
  await authority.activate()
  const renewed = await identities.renewAll()
  const active = authority.state.current.slots.find((slot) => slot.status === 'active')
  return { activeAuthorityId: active?.authorityId ?? '', acknowledged, holding, renewed }
}

function bundleHolders(sds: Sds): { readonly acknowledged: number; readonly holding: number } {
  let acknowledged = 0
  let holding = 0
  for (const stream of sds.streams)
    for (const held of stream.held())
      if (held.kind === 'bundle' && held.sent !== undefined) {
        holding += 1
        if (held.status === 'acknowledged') acknowledged += 1
      }
  return { acknowledged, holding }
}

/** Resolves when no bundle is on its way any more, or after `publishMs`. */
function published({
  sds,
  clock,
  publishMs,
}: {
  readonly sds: Sds
  readonly clock: Clock
  readonly publishMs: number
}): Promise<void> {
  const done = (): boolean => {
    const { acknowledged, holding } = bundleHolders(sds)
    return sds.pushesWaiting === 0 && acknowledged === holding
  }
  if (done()) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      unsubscribe()
      timer.cancel()
      resolve()
    }
    const timer = clock.after(publishMs, finish)
    const unsubscribe = sds.onAnswer(() => {
      if (done()) finish()
    })
  })
}
