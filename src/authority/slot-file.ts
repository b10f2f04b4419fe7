import { createIssuer } from '../certs/issuer.ts'
import { readKeyPem } from '../certs/keys.ts'
import { parseCertificate, readCertificatesPem, toPem } from '../certs/parse.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import { trustDomainId } from '../spiffe/spiffe-id.ts'
import type { CaSlot, CaSlotStore } from './slot.ts'
import { createSealedStore, expectThat, readSealed } from './slots/sealed-slots.ts'
import type { SealedAbout, SealedMore, SlotForm, StateFile } from './slots/sealed-slots.ts'

/** The slots of an X.509 authority as a JSON document in `stateDir`. */
export function createFileSlotStore(
  file: StateFile,
  about: SealedAbout,
  more: SealedMore = {},
): CaSlotStore {
  return createSealedStore(file, about, { ...more, form: caSlotForm(about.trustDomain) })
}

/** @throws SpindleError `certificate_invalid` naming the place and never quoting the text, which holds keys. */
export function parseSlots(text: string, about: SealedAbout): readonly CaSlot[] {
  return readSealed(text, about, caSlotForm(about.trustDomain))
}

const caSlotForm = (trustDomain: TrustDomain): SlotForm<CaSlot> => ({
  write({ signedBy, certificates, issuer }) {
    const plain = { signedBy, certificates: certificates.map((der) => toPem(der, 'CERTIFICATE')) }
    return issuer === undefined ? plain : { ...plain, key: toPem(issuer.key.pkcs8, 'PRIVATE KEY') }
  },
  read({ signedBy, certificates, key }, known, place) {
    expectThat(typeof signedBy === 'string', `${place}.signedBy is not a text`)
    expectThat(
      Array.isArray(certificates) && certificates.every((pem) => typeof pem === 'string'),
      `${place}.certificates is not a list of texts`,
    )
    const chain = certificates.flatMap((pem: string) =>
      readCertificatesPem(pem, `${place}.certificates`),
    )
    const facts = chain.map((der) => parseCertificate(der, `${place}.certificates`))
    const [own] = facts
    expectThat(own !== undefined, `${place}.certificates is empty`)
    expectThat(
      own.uriSans[0] === trustDomainId(trustDomain),
      `${place}.certificates is not a CA of ${trustDomain}`,
    )
    const plain = {
      ...known,
      signedBy,
      certificates: chain,
      authorityId: own.subjectKeyId,
      notBefore: own.notBefore,
      notAfter: Math.min(...facts.map((each) => each.notAfter)),
    }
    if (known.status === 'old' || known.status === 'tainted') return plain
    expectThat(typeof key === 'string', `${place}.key is not a text`)
    const issuer = createIssuer(own.der, readKeyPem(key, `${place}.key`), place)
    return { ...plain, authorityId: issuer.authorityId, issuer }
  },
})
