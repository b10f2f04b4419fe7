import { readKeyPem } from '../../certs/keys.ts'
import { toPem } from '../../certs/parse.ts'
import { jwtSigningKey, jwtVerificationKey } from '../../jwt/keys.ts'
import type { JwtSigningKey, JwtVerificationKey } from '../../jwt/keys.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { RotatingSlot } from '../slots/rotation.ts'
import { createSealedStore, expectThat, isInstant, readSealed } from '../slots/sealed-slots.ts'
import type { SealedMore, SlotForm, StateFile } from '../slots/sealed-slots.ts'
import type { SlotStore } from '../slots/slot-kind.ts'

/** A key for JWT-SVIDs. The private half is gone once it is old: nothing is signed with it again. */
export interface JwtSlot extends RotatingSlot {
  readonly verification: JwtVerificationKey
  readonly signing?: JwtSigningKey
}

/** The slots of a JWT authority as a JSON document in `stateDir`. */
export function createJwtSlotStore(
  file: StateFile,
  trustDomain: TrustDomain,
  more: SealedMore = {},
): SlotStore<JwtSlot> {
  return createSealedStore(file, { kind: 'jwt', trustDomain }, { ...more, form })
}

/** @throws SpindleError `certificate_invalid` naming the place and never quoting the text, which holds keys. */
export function parseJwtSlots(text: string, trustDomain: TrustDomain): readonly JwtSlot[] {
  return readSealed(text, { kind: 'jwt', trustDomain }, form)
}

const form: SlotForm<JwtSlot> = {
  write({ notBefore, notAfter, superseded = false, verification, signing }) {
    const plain = { notBefore, notAfter, superseded, spki: verification.spki.toString('base64') }
    return signing === undefined
      ? plain
      : { ...plain, key: toPem(signing.key.pkcs8, 'PRIVATE KEY') }
  },
  read({ notBefore, notAfter, superseded, spki, key }, known, place) {
    expectThat(isInstant(notBefore), `${place}.notBefore is not a whole number`)
    expectThat(isInstant(notAfter), `${place}.notAfter is not a whole number`)
    expectThat(notBefore < notAfter, `${place} ends before it begins`)
    expectThat(typeof superseded === 'boolean', `${place}.superseded is not true or false`)
    expectThat(typeof spki === 'string', `${place}.spki is not a text`)
    const verification = jwtVerificationKey(Buffer.from(spki, 'base64'), `${place}.spki`)
    const { keyId: authorityId } = verification
    const plain = { ...known, notBefore, notAfter, superseded, authorityId, verification }
    if (known.status === 'old' || known.status === 'tainted') return plain
    expectThat(typeof key === 'string', `${place}.key is not a text`)
    const signing = jwtSigningKey(readKeyPem(key, `${place}.key`), `${place}.key`)
    expectThat(signing.keyId === authorityId, `${place}.key is not that of ${place}.spki`)
    return { ...plain, signing }
  },
}
