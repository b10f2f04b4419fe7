/** A JWT authority over its slots: keys of its own, each in the bundle before it signs. */
import { generateKey, type KeyType } from '../../certs/keys.ts'
import { jwtSigningKey } from '../../jwt/keys.ts'
import { signJwtSvid } from '../../jwt/sign.ts'
import { SpindleError } from '../../runtime/errors.ts'
import { trustDomainId, type TrustDomain } from '../../spiffe/spiffe-id.ts'
import { BACKDATE_MS, leastLife, openRotatingSlots, wholeSecond } from '../slots/rotating-slots.ts'
import type { RotatingSlotsOptions } from '../slots/rotating-slots.ts'
import type { SlotKind, SlotStore } from '../slots/slot-kind.ts'
import { slotViews } from '../slots/views.ts'
import type { JwtAuthorityState, ServerJwtAuthority } from './jwt-authority.ts'
import type { JwtSlot } from './jwt-slot.ts'

export interface JwtAuthorityOptions extends RotatingSlotsOptions<JwtSlot, JwtAuthorityState> {
  readonly trustDomain: TrustDomain
  readonly keyType: KeyType
  readonly keyTtlMs: number
  readonly store: SlotStore<JwtSlot>
  /** How long, at least, a key is in the bundle before it signs (ms): several times the refresh hint of a bundle that has one. */
  readonly publishMs?: number
}

/** Resolves once it can sign. @throws SpindleError where it cannot make a first key. */
export async function createJwtAuthority(
  options: JwtAuthorityOptions,
): Promise<ServerJwtAuthority> {
  const { clock, trustDomain, onEvent } = options
  const slots = await openRotatingSlots(jwtSlots(options), options.store, options)
  return {
    state: slots.state,
    async issue({ spiffeId, audience, ttlMs, jti }) {
      if (!spiffeId.startsWith(`${trustDomainId(trustDomain)}/`)) {
        throw new SpindleError('request_invalid', `${spiffeId} is no workload of ${trustDomain}`)
      }
      const { signing, notBefore, notAfter, authorityId } = await slots.signer()
      if (signing === undefined) {
        throw new SpindleError('internal', 'the slot that signs has no key')
      }
      const started = clock.monotonic()
      // It is later than that, whatever the clock says.
      const now = Math.max(clock.now(), notBefore)
      const issuedAt = wholeSecond(now)
      const expiresAt = wholeSecond(Math.min(now + ttlMs, notAfter))
      if (expiresAt - now < leastLife(ttlMs)) throw slots.unavailable()
      const token = await signJwtSvid(signing, { spiffeId, audience, issuedAt, expiresAt, jti })
      onEvent?.({ kind: 'issued', tookMs: clock.monotonic() - started })
      return { token, issuedAt, expiresAt, authorityId }
    },
    prepare: () => slots.prepare(),
    activate: () => slots.activate(),
    replace: () => slots.supersede(),
    taint: (authorityId) => slots.withdraw('taint', authorityId),
    revoke: (authorityId) => slots.withdraw('revoke', authorityId),
    close: () => slots.close(),
  }
}

function jwtSlots(options: JwtAuthorityOptions): SlotKind<JwtSlot, JwtAuthorityState> {
  const { clock, keyType, keyTtlMs, publishMs = 0 } = options
  return {
    name: 'the JWT authority',
    publishMs,
    fault: () => undefined,
    furthest: (now) => now + keyTtlMs,
    async make() {
      const signing = jwtSigningKey(await generateKey(keyType), 'the JWT key just made')
      const { key: _private, ...verification } = signing
      const now = clock.now()
      const notBefore = wholeSecond(now - BACKDATE_MS)
      const notAfter = wholeSecond(now + keyTtlMs)
      const authorityId = signing.keyId
      return { authorityId, status: 'prepared', notBefore, notAfter, verification, signing }
    },
    trusts: () => true,
    current: () => true,
    retired({ signing: _private, ...rest }) {
      return rest
    },
    stateOf: (slots, now, fault) => ({
      keys: slots.map((slot) => slot.verification.jwk),
      slots: slotViews(slots, { now, publishMs }),
      ...(fault !== undefined && { fault }),
    }),
    same: (one, other) =>
      one.fault === other.fault &&
      one.keys.length === other.keys.length &&
      one.keys.every((key, at) => key === other.keys[at]) &&
      JSON.stringify(one.slots) === JSON.stringify(other.slots),
    reload: async () => {},
    watch: () => () => {},
  }
}
