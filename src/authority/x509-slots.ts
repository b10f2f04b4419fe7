/** An X.509 authority over its slots. What is particular to an attached CA is in its `CaSource`. */
import { readPublicKey } from '../certs/csr/public-key.ts'
import { createIntermediateCertificate, createIssuer, issueLeaf } from '../certs/issuer.ts'
import type { Issuer } from '../certs/issuer.ts'
import { generateKey } from '../certs/keys.ts'
import { parseCertificate } from '../certs/parse.ts'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import type { Feed } from '../runtime/feed.ts'
import { trustDomainId } from '../spiffe/spiffe-id.ts'
import type {
  AuthorityState,
  DownstreamCaRequest,
  IssuedCa,
  IssuedX509Svid,
  ServerX509Authority,
  X509Request,
} from './authority.ts'
import { pathLengthFault, pathToAnchor } from './chain.ts'
import { serialNumber } from './slot.ts'
import type { AuthorityOptions, CaSlot, CaSlotStore, CaSource } from './slot.ts'
import { BACKDATE_MS, leastLife, openRotatingSlots, wholeSecond } from './slots/rotating-slots.ts'
import type { RotatingSlots } from './slots/rotating-slots.ts'
import type { SlotKind } from './slots/slot-kind.ts'
import type { Withdrawal } from './slots/withdrawal.ts'
import { sameState, stateOf } from './state.ts'

/** Resolves once it can sign. @throws SpindleError where `source` cannot give a first certificate. */
export async function createSlotAuthority(
  source: CaSource,
  store: CaSlotStore,
  options: AuthorityOptions,
): Promise<ServerX509Authority> {
  const slots = await openRotatingSlots(caSlots(source, options), store, options)
  return new SlotAuthority(source, slots, options)
}

/** Of a certificate that is signed. */
interface Signed {
  readonly notBefore: number
  readonly notAfter: number
  readonly serial: Uint8Array
}

class SlotAuthority implements ServerX509Authority {
  readonly state: Feed<AuthorityState>
  readonly #source: CaSource
  readonly #slots: RotatingSlots<CaSlot, AuthorityState>
  readonly #options: AuthorityOptions

  constructor(
    source: CaSource,
    slots: RotatingSlots<CaSlot, AuthorityState>,
    options: AuthorityOptions,
  ) {
    this.#source = source
    this.#slots = slots
    this.#options = options
    this.state = slots.state
  }

  async issue(request: X509Request): Promise<IssuedX509Svid> {
    const { trustDomain } = this.#options
    const { spiffeId, dnsNames, spki, ttlMs } = request
    // XL-12: an authority signs for its own trust domain only.
    if (!spiffeId.startsWith(`${trustDomainId(trustDomain)}/`)) {
      throw new SpindleError('request_invalid', `${spiffeId} is no workload of ${trustDomain}`)
    }
    return this.#sign(ttlMs, (issuer, life) =>
      issueLeaf(issuer, { spiffeId, dnsNames, spki, ...life }),
    )
  }

  async issueCa({ spki, ttlMs }: DownstreamCaRequest): Promise<IssuedCa> {
    const subject = { spki: checkedSpki(spki) }
    const id = trustDomainId(this.#options.trustDomain)
    return this.#sign(ttlMs, (issuer, life, signer) => {
      this.#checkRoomBelow(signer)
      return createIntermediateCertificate(issuer, subject, { ...life, trustDomainId: id })
    })
  }

  prepare(): Promise<void> {
    return this.#slots.prepare()
  }

  activate(): Promise<void> {
    return this.#slots.activate()
  }

  taint(authorityId: string): Promise<void> {
    return this.#withdraw('taint', authorityId)
  }

  revoke(authorityId: string): Promise<void> {
    return this.#withdraw('revoke', authorityId)
  }

  reload(): Promise<void> {
    return this.#slots.reload()
  }

  close(): Promise<void> {
    return this.#slots.close()
  }

  async #sign(
    ttlMs: number,
    write: (issuer: Issuer, life: Signed, signer: CaSlot) => Promise<Buffer>,
  ): Promise<IssuedX509Svid> {
    const { clock, random, onEvent } = this.#options
    const signer = await this.#slots.signer()
    const { issuer, authorityId } = signer
    if (issuer === undefined) throw new SpindleError('internal', 'the slot that signs has no key')
    const started = clock.monotonic()
    // It is later than that, whatever the clock says.
    const now = Math.max(clock.now(), signer.notBefore)
    const notBefore = wholeSecond(now - BACKDATE_MS)
    const notAfter = wholeSecond(Math.min(now + ttlMs, signer.notAfter))
    if (notAfter - now < leastLife(ttlMs)) throw this.#slots.unavailable()
    const serial = serialNumber(random)
    const certificate = await write(issuer, { notBefore, notAfter, serial }, signer)
    onEvent?.({ kind: 'issued', tookMs: clock.monotonic() - started })
    const chain = [certificate, ...this.#source.intermediates(signer)]
    return { chain, notBefore, notAfter, issuedAt: now, authorityId }
  }

  /** Each certificate up to the anchor may limit how many CAs follow it, not only the one that signs. */
  #checkRoomBelow(signer: CaSlot): void {
    const anchors = this.#source.anchors([signer]).map((der) => Buffer.from(der))
    const path = pathToAnchor(signer.certificates, anchors)
    if (path !== undefined && pathLengthFault([...path.sent, path.anchor]) === undefined) return
    const fault = 'a pathLenConstraint above allows no CA of a server below this one'
    throw new SpindleError('precondition_failed', fault)
  }

  async #withdraw(what: Withdrawal, authorityId: string): Promise<void> {
    if (this.#source.kind !== 'embedded') {
      // What is trusted is the anchor above, and it would vouch for this one all the same.
      const done = what === 'taint' ? 'tainted' : 'revoked'
      const why = `local authority can't be ${done} if there is an upstream authority`
      throw new SpindleError('precondition_failed', why)
    }
    await this.#slots.withdraw(what, authorityId)
  }
}

function checkedSpki(spki: Uint8Array): Buffer {
  try {
    readPublicKey(spki)
    return Buffer.from(spki)
  } catch (thrown) {
    throw new SpindleError('request_invalid', messageOf(thrown))
  }
}

function caSlots(source: CaSource, options: AuthorityOptions): SlotKind<CaSlot, AuthorityState> {
  const { clock, random, keyType, caTtlMs } = options
  return {
    name: 'the authority',
    fault: (now) => source.fault(now),
    furthest: (now) => source.furthest(now),
    async make() {
      const key = await generateKey(keyType)
      const now = clock.now()
      const { certificates, signedBy } = await source.mint(key, {
        notBefore: wholeSecond(now - BACKDATE_MS),
        notAfter: wholeSecond(Math.min(now + caTtlMs, source.furthest(now))),
        serial: serialNumber(random),
      })
      const [own, ...above] = certificates
      if (own === undefined) throw new SpindleError('internal', 'the CA gave no certificate')
      const issuer = createIssuer(own, key, 'the CA certificate just made')
      const ends = above.map((der) => parseCertificate(der, 'the chain of the CA').notAfter)
      const { authorityId, notBefore } = issuer
      const notAfter = Math.min(issuer.notAfter, ...ends)
      const slot = { certificates, signedBy, issuer, authorityId, notBefore, notAfter }
      return { ...slot, status: 'prepared' }
    },
    trusts: (slot) => source.trusts(slot),
    current: (slot) => source.current(slot),
    retired({ issuer: _key, ...rest }) {
      return rest
    },
    stateOf: (slots, now, fault) =>
      stateOf(slots, now, {
        anchors: source.anchors(slots),
        taintedAnchors: source.taintedAnchors(slots),
        attached: source.attached(),
        fault,
      }),
    same: sameState,
    reload: () => source.reload(),
    watch: (run) => source.watch(run),
  }
}
