/**
 * The slots of an authority as a JSON document in `stateDir`. It is read strictly: a document that says anything
 * unexpected is moved aside and told, or refused; it is never overwritten, because it may hold the only copy of a key.
 */
import { hash } from 'node:crypto'
import { messageOf, SpindleError } from '../../runtime/errors.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { AuthorityEvent, SlotStatus } from '../authority.ts'
import type { RotatingSlot } from './rotation.ts'
import type { SlotStore } from './slot-kind.ts'

/** A file only its owner can read, replaced as a whole. */
export interface StateFile {
  /** undefined: there is none. @throws where there is one that cannot be read. */
  read(): string | undefined | Promise<string | undefined>
  /** Replaces it durably, mode 0600: after this resolves a crash leaves the new text, before it the old one. */
  write(text: string): void | Promise<void>
  /** Moves it aside, to a name not used before, and returns that name. */
  quarantine(): string | Promise<string>
}

/** Whose document it is. */
export interface SealedAbout {
  readonly kind: string
  readonly trustDomain: TrustDomain
}

/** What is kept of a slot beside its status and when it was published. */
export interface SlotForm<Slot extends RotatingSlot> {
  write(slot: Slot): object
  /** `place` is where `value` stands. @throws SpindleError `certificate_invalid`, never quoting a key. */
  read(value: Readonly<Record<string, unknown>>, known: KnownOfSlot, place: string): Slot
}

export interface KnownOfSlot {
  readonly status: SlotStatus
  readonly publishedAt: number
}

/** What becomes of a document that cannot be used: it is moved aside, and all begins anew; or `load` throws `authority_lost`. */
export type Damaged = 'set_aside' | 'refuse'

export interface SealedMore {
  readonly onEvent?: (event: AuthorityEvent) => void
  readonly damaged?: Damaged
}

const VERSION = 1

export function createSealedStore<Slot extends RotatingSlot>(
  file: StateFile,
  about: SealedAbout,
  more: SealedMore & { readonly form: SlotForm<Slot> },
): SlotStore<Slot> {
  const { form, onEvent, damaged = 'set_aside' } = more
  return {
    async load() {
      try {
        const text = await file.read()
        return text === undefined ? [] : readSealed(text, about, form)
      } catch (thrown) {
        if (damaged === 'refuse') throw lost(about, thrown)
        const movedTo = await file.quarantine()
        onEvent?.({ kind: 'state_set_aside', movedTo, reason: messageOf(thrown) })
        return []
      }
    },
    async save(slots) {
      const document = {
        version: VERSION,
        kind: about.kind,
        trustDomain: about.trustDomain,
        slots: slots.map((slot) => {
          const { status, publishedAt = 0 } = slot
          return { ...writtenStatus(status), publishedAt, ...form.write(slot) }
        }),
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

/** @throws SpindleError `certificate_invalid` naming the place and never quoting the text, which holds keys. */
export function readSealed<Slot extends RotatingSlot>(
  text: string,
  about: SealedAbout,
  form: SlotForm<Slot>,
): readonly Slot[] {
  const { sha256, ...document } = objectAt(parseJson(text), 'the document')
  expectThat(document['version'] === VERSION, `version is not ${VERSION}`)
  expectThat(sha256 === sealed(document).sha256, 'sha256 is not the digest of what it says')
  expectThat(document['kind'] === about.kind, `it is not of an authority of kind ${about.kind}`)
  expectThat(document['trustDomain'] === about.trustDomain, `it is not of ${about.trustDomain}`)
  const list = document['slots']
  expectThat(Array.isArray(list), 'slots is not a list')
  const slots = list.map((value: unknown, at) => slotFrom(value, `slots[${at}]`, form))
  const active = slots.filter((slot) => slot.status === 'active')
  expectThat(active.length <= 1, 'more than one slot is active')
  const ids = new Set(slots.map((slot) => slot.authorityId))
  expectThat(ids.size === slots.length, 'two slots are the same authority')
  return slots
}

function slotFrom<Slot extends RotatingSlot>(
  value: unknown,
  place: string,
  form: SlotForm<Slot>,
): Slot {
  const slot = objectAt(value, place)
  const { publishedAt } = slot
  const status = readStatus(slot, place)
  expectThat(isInstant(publishedAt), `${place}.publishedAt is not a whole number`)
  return form.read(slot, { status, publishedAt }, place)
}

/** A version of before there were tainted ones reads an old one here. */
const writtenStatus = (status: SlotStatus): object =>
  status === 'tainted' ? { status: 'old', tainted: true } : { status }

function readStatus(slot: Readonly<Record<string, unknown>>, place: string): SlotStatus {
  const { status, tainted = false } = slot
  expectThat(
    status === 'prepared' || status === 'active' || status === 'old',
    `${place}.status is not prepared, active or old`,
  )
  expectThat(typeof tainted === 'boolean', `${place}.tainted is not true or false`)
  expectThat(!tainted || status === 'old', `${place} is tainted but ${status}`)
  return tainted ? 'tainted' : status
}

/** ms since the epoch */
export const isInstant = (value: unknown): value is number => Number.isSafeInteger(value)

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The engine's own message quotes the text, which may be a key.
    throw stateInvalid('it is not JSON')
  }
}

function objectAt(value: unknown, place: string): Record<string, unknown> {
  expectThat(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    `${place} is not an object`,
  )
  return value as Record<string, unknown>
}

/** @throws SpindleError `certificate_invalid` */
export function expectThat(holds: boolean, fault: string): asserts holds {
  if (!holds) throw stateInvalid(fault)
}

const lost = ({ kind }: SealedAbout, thrown: unknown): SpindleError =>
  new SpindleError('authority_lost', `authority-${kind}.json: ${messageOf(thrown)}`, {
    cause: thrown,
  })

const stateInvalid = (fault: string): SpindleError =>
  new SpindleError('certificate_invalid', `the stored state of the authority: ${fault}`)
