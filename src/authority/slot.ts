import type { Issuer } from '../certs/issuer.ts'
import type { KeyPair, KeyType } from '../certs/keys.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { AuthorityEvent, AuthorityState, Life } from './authority.ts'
import type { RotatingSlot } from './slots/rotation.ts'
import type { Announcer, SlotStore } from './slots/slot-kind.ts'

export interface AuthorityOptions {
  readonly trustDomain: TrustDomain
  /** Of the CA keys. */
  readonly keyType: KeyType
  readonly caTtlMs: number
  readonly clock: Clock
  readonly random: Random
  readonly onEvent?: (event: AuthorityEvent) => void
  readonly announcer?: Announcer<CaSlot, AuthorityState>
}

/** A CA certificate of this authority. The key is gone once it is old: nothing is signed with it again. */
export interface CaSlot extends RotatingSlot {
  /** DER: the CA certificate, then what stands between it and its trust anchor, in order. */
  readonly certificates: readonly Buffer[]
  /** SHA-256 (hex) of the certificate it was signed by, or, of one by a server above, of its root; '' where it signed itself. */
  readonly signedBy: string
  readonly issuer?: Issuer
}

/** A CA certificate just made: what a `CaSource` gives. */
export interface MintedCa {
  readonly certificates: readonly Buffer[]
  readonly signedBy: string
}

/** Where the authority's own certificates come from: itself (embedded), an operator's CA (disk) or a server above (server). */
export interface CaSource {
  readonly kind: 'embedded' | 'disk' | 'server'
  /** Why it cannot mint, or soon cannot; undefined: healthy. */
  fault(now: number): string | undefined
  /** The latest notAfter that mint could give now. */
  furthest(now: number): number
  /** @throws SpindleError `authority_unavailable`, `certificate_invalid` */
  mint(
    key: KeyPair,
    request: { readonly notBefore: number; readonly notAfter: number; readonly serial: Uint8Array },
  ): Promise<MintedCa>
  /** Whether `slot` leads to a trust anchor that is still configured. */
  trusts(slot: CaSlot): boolean
  /** Whether `slot` was signed by what signs now. */
  current(slot: CaSlot): boolean
  /** The life of what signs these slots; undefined: they sign themselves, or it is looked after by a server above. */
  attached(): Life | undefined
  anchors(slots: readonly CaSlot[]): readonly Uint8Array[]
  /** Those of them that will be trusted no more soon. */
  taintedAnchors(slots: readonly CaSlot[]): readonly Uint8Array[]
  /** What is sent after a leaf that `slot` signed. */
  intermediates(slot: CaSlot): readonly Buffer[]
  /** Reads its configuration again; on a fault keeps the last good one. @throws SpindleError `config_invalid` */
  reload(): Promise<void>
  /** Calls `run` when what it was configured from may have changed. */
  watch(run: () => void): () => void
}

export type CaSlotStore = SlotStore<CaSlot>

/**
 * A serial number (RFC 5280 4.1.2.2): 158 random bits in 20 octets. The first octet is 0x40–0x7f, so the number is
 * positive and is always encoded in 20 octets.
 */
export function serialNumber(random: Random): Uint8Array {
  const serial = random.bytes(20)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}
