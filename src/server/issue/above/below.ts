/** How this server stands below another one: what it takes from above into the own bundle, and what it publishes there. */
import type { JwtAuthorityState } from '../../../authority/jwt/jwt-authority.ts'
import type { JwtSlot } from '../../../authority/jwt/jwt-slot.ts'
import type { UpstreamRoot } from '../../../authority/server/upstream.ts'
import type { Announcer } from '../../../authority/slots/slot-kind.ts'
import { messageOf } from '../../../runtime/errors.ts'
import type { PublicKey, StoredBundle } from '../../../store/model.ts'
import type { Publication } from '../publication.ts'
import type { ServerAbove } from './server-above.ts'

/** The roots as they were known when this server last ran. */
export const rootsOf = (bundle: StoredBundle | undefined): readonly UpstreamRoot[] =>
  (bundle?.x509Authorities ?? []).map(({ certificate, tainted }) => ({
    certificate: Buffer.from(certificate),
    tainted,
  }))

/** A key that may sign is published above too, before it does. */
export function announcedAbove(
  own: Announcer<JwtSlot, JwtAuthorityState>,
  above: Pick<ServerAbove, 'publishJwt'>,
): Announcer<JwtSlot, JwtAuthorityState> {
  const done = new Set<string>()
  return {
    reconciled: (kept) => own.reconciled(kept),
    async announce(state, slots) {
      await own.announce(state, slots)
      for (const { authorityId, status, verification, notAfter } of slots) {
        if (done.has(authorityId) || (status !== 'prepared' && status !== 'active')) continue
        const key = { publicKey: verification.spki, expiresAt: notAfter, tainted: false }
        await above.publishJwt({ ...key, keyId: authorityId })
        done.add(authorityId)
      }
    },
  }
}

/** Keeps the JWT keys from above in the own bundle, and passes on those of servers below this one. */
export function followAbove(
  above: Pick<ServerAbove, 'publishJwt' | 'watchJwt'>,
  publication: Publication,
  onFault: (fault: string | undefined) => void,
): { close(): void } {
  const take = async (keys: readonly PublicKey[]): Promise<void> => {
    for (const key of await publication.above(keys)) await above.publishJwt(key)
  }
  let fault: string | undefined
  const tell = (now: string | undefined): void => {
    if (now !== fault) onFault(now)
    fault = now
  }
  const close = above.watchJwt((keys) => {
    take(keys).then(
      () => tell(undefined),
      (thrown: unknown) => tell(messageOf(thrown)),
    )
  })
  return { close }
}
