/**
 * The slots of an authority as a JSON document in `stateDir`. It is read strictly: a document that says anything
 * unexpected is moved aside and told, never overwritten, because it may hold the only copy of a CA key.
 */
import { hash } from 'node:crypto'
import { createIssuer } from '../certs/issuer.ts'
import { readKeyPem } from '../certs/keys.ts'
import { parseCertificate, readCertificatesPem, toPem } from '../certs/parse.ts'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import { trustDomainId } from '../spiffe/spiffe-id.ts'
import type { SlotStatus } from './authority.ts'
import type { AuthorityEvent, CaSlot, SlotStore } from './slot.ts'

/** A file only its owner can read, replaced as a whole. */
export interface StateFile {
  /** undefined: there is none. @throws where there is one that cannot be read. */
  read(): string | undefined | Promise<string | undefined>
  /** Replaces it durably, mode 0600: after this resolves a crash leaves the new text, before it the old one. */
  write(text: string): void | Promise<void>
  /** Moves it aside, to a name not used before, and returns that name. */
  quarantine(): string | Promise<string>
}

interface StoredSlot {
  readonly status: SlotStatus
  readonly publishedAt: number
  readonly signedBy: string
  readonly certificates: readonly string[]
  readonly key?: string
}

const VERSION = 1

export function createFileSlotStore(
  file: StateFile,
  about: { readonly kind: string; readonly trustDomain: TrustDomain },
  onEvent: (event: AuthorityEvent) => void = () => {},
): SlotStore {
  return {
    async load() {
      try {
        const text = await file.read()
        return text === undefined ? [] : parseSlots(text, about)
      } catch (thrown) {
        const movedTo = await file.quarantine()
        onEvent({ kind: 'state_set_aside', movedTo, reason: messageOf(thrown) })
        return []
      }
    },
    async save(slots) {
      const document = {
        version: VERSION,
        kind: about.kind,
        trustDomain: about.trustDomain,
        slots: slots.map(stored),
      }
      await file.write(`${JSON.stringify(sealed(document), undefined, 2)}\n`)
    },
  }
}

/**
 * With a digest of what it says, so that a document a disk has changed is not taken for another state: most of it is
 * numbers and Base64, which mean something whatever they become.
 */
function sealed<Document extends object>(document: Document): Document & { sha256: string } {
  return { ...document, sha256: hash('sha256', JSON.stringify(document), 'hex') }
}

function stored(slot: CaSlot): StoredSlot {
  const { status, publishedAt = 0, signedBy } = slot
  const certificates = slot.certificates.map((der) => toPem(der, 'CERTIFICATE'))
  const plain = { status, publishedAt, signedBy, certificates }
  return slot.issuer === undefined
    ? plain
    : { ...plain, key: toPem(slot.issuer.key.pkcs8, 'PRIVATE KEY') }
}

/** @throws SpindleError `certificate_invalid` naming the place and never quoting the text, which holds keys. */
export function parseSlots(
  text: string,
  about: { readonly kind: string; readonly trustDomain: TrustDomain },
): readonly CaSlot[] {
  const { sha256, ...document } = objectAt(parseJson(text), 'the document')
  expect(document['version'] === VERSION, `version is not ${VERSION}`)
  expect(sha256 === sealed(document).sha256, 'sha256 is not the digest of what it says')
  expect(document['kind'] === about.kind, `it is not of an authority of kind ${about.kind}`)
  expect(document['trustDomain'] === about.trustDomain, `it is not of ${about.trustDomain}`)
  const list = document['slots']
  expect(Array.isArray(list), 'slots is not a list')
  const slots = (list as unknown[]).map((value, at) => slotFrom(value, `slots[${at}]`, about))
  const active = slots.filter((slot) => slot.status === 'active')
  expect(active.length <= 1, 'more than one slot is active')
  const ids = new Set(slots.map((slot) => slot.authorityId))
  expect(ids.size === slots.length, 'two slots are the same authority')
  return slots
}

function slotFrom(
  value: unknown,
  place: string,
  about: { readonly trustDomain: TrustDomain },
): CaSlot {
  const slot = objectAt(value, place)
  const { status, publishedAt, signedBy, certificates, key } = slot
  expect(isStatus(status), `${place}.status is not prepared, active or old`)
  expect(Number.isSafeInteger(publishedAt), `${place}.publishedAt is not a whole number`)
  expect(typeof signedBy === 'string', `${place}.signedBy is not a text`)
  expect(
    Array.isArray(certificates) && certificates.every((pem) => typeof pem === 'string'),
    `${place}.certificates is not a list of texts`,
  )
  const chain = (certificates as string[]).flatMap((pem) =>
    readCertificatesPem(pem, `${place}.certificates`),
  )
  const [own] = chain
  if (own === undefined) throw invalid(`${place}.certificates is empty`)
  const facts = chain.map((der) => parseCertificate(der, `${place}.certificates`))
  expect(
    facts[0]?.uriSans[0] === trustDomainId(about.trustDomain),
    `${place}.certificates is not a CA of ${about.trustDomain}`,
  )
  const plain = {
    status: status as SlotStatus,
    publishedAt: publishedAt as number,
    signedBy: signedBy as string,
    certificates: chain,
    authorityId: facts[0]?.subjectKeyId ?? '',
    notBefore: facts[0]?.notBefore ?? 0,
    notAfter: Math.min(...facts.map((each) => each.notAfter)),
  }
  if (status === 'old') return plain
  expect(typeof key === 'string', `${place}.key is not a text`)
  const issuer = createIssuer(own, readKeyPem(key as string, `${place}.key`), place)
  return { ...plain, authorityId: issuer.authorityId, issuer }
}

const isStatus = (value: unknown): boolean =>
  value === 'prepared' || value === 'active' || value === 'old'

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The engine's own message quotes the text, which may be a key.
    throw invalid('it is not JSON')
  }
}

function objectAt(value: unknown, place: string): Record<string, unknown> {
  expect(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    `${place} is not an object`,
  )
  return value as Record<string, unknown>
}

function expect(holds: boolean, fault: string): void {
  if (!holds) throw invalid(fault)
}

const invalid = (fault: string): SpindleError =>
  new SpindleError('certificate_invalid', `the stored state of the authority: ${fault}`)
