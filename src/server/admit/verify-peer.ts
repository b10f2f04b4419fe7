/** The client certificate of a connection by our own rules: OpenSSL proves that the client holds its key, nothing else. */
import type { AsymmetricKeyDetails } from 'node:crypto'
import { parseCertificate, verifyX509Svid } from '../../certs/parse.ts'
import type { ParsedCertificate } from '../../certs/parse.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { PeerSvid } from './peer.ts'

export interface PeerVerifierOptions {
  readonly clock: Clock
  /** X.509 authorities, DER, of each trust domain whose SVIDs are taken, as of now: another Map once one of them changes. */
  readonly authorities: () => ReadonlyMap<TrustDomain, readonly Uint8Array[]>
}

export interface PeerVerifier {
  /** @throws SpindleError `svid_refused`: it is no X.509-SVID, expired, or not signed by one of the authorities */
  verify(chain: readonly Uint8Array[]): PeerSvid
  /** Why an SVID that was verified is good no longer: it has expired, or the authority that signed it is gone. */
  faultOf(svid: PeerSvid): 'expired' | 'untrusted' | undefined
}

/** Of RSA keys between a client's and an authority: it makes them up itself, and a signature is checked with each, many times. */
const MOST_RSA_BITS = 8192
const MOST_EXPONENT = 2n ** 31n

/** An authority, or a certificate between it and the leaf, ends by itself too; nothing tells of it. */
const LOOK_AGAIN_MS = 10_000

interface Verdict {
  readonly authorities: ReadonlyMap<TrustDomain, readonly Uint8Array[]>
  readonly at: number
  readonly trusted: boolean
}

export function createPeerVerifier({ clock, authorities }: PeerVerifierOptions): PeerVerifier {
  const verdicts = new WeakMap<PeerSvid, Verdict>()
  const check = (
    chain: readonly Uint8Array[],
  ): Verdict & { readonly spiffeId: PeerSvid['spiffeId'] } => {
    const current = authorities()
    const spiffeId = verifyX509Svid(chain, current, { now: clock.now(), mode: 'strict' })
    return { spiffeId, authorities: current, at: clock.monotonic(), trusted: true }
  }
  return {
    verify(chain) {
      try {
        checkCost(chain)
        const { spiffeId, ...verdict } = check(chain)
        const leaf = parseCertificate(chain[0]!, 'the client certificate')
        const { notAfter, authorityKeyId: authorityId } = leaf
        const serial = BigInt(`0x${leaf.serial}`).toString()
        const svid = { spiffeId, serial, notAfter, authorityId, chain }
        verdicts.set(svid, verdict)
        return svid
      } catch (thrown) {
        if (!(thrown instanceof SpindleError)) throw thrown
        throw new SpindleError('svid_refused', thrown.message, { cause: thrown })
      }
    },
    faultOf(svid) {
      if (clock.now() > svid.notAfter) return 'expired'
      const before = verdicts.get(svid)
      const now = { authorities: authorities(), at: clock.monotonic() }
      if (before?.authorities === now.authorities && now.at - before.at < LOOK_AGAIN_MS)
        return before.trusted ? undefined : 'untrusted'
      const trusted = isTrusted(() => check(svid.chain))
      verdicts.set(svid, { ...now, trusted })
      return trusted ? undefined : 'untrusted'
    },
  }
}

/** @throws SpindleError `certificate_invalid` */
function checkCost(chain: readonly Uint8Array[]): void {
  for (const der of chain.slice(1)) {
    const { x509 } = parseCertificate(der, 'a certificate of the chain')
    const { modulusLength = 0, publicExponent = 3n } = keyDetails(x509)
    if (modulusLength > MOST_RSA_BITS || publicExponent >= MOST_EXPONENT)
      throw new SpindleError('certificate_invalid', 'the chain has an RSA key that is not in use')
  }
}

/** Of a key that cannot be read none: no signature is checked with it. */
function keyDetails(x509: ParsedCertificate['x509']): AsymmetricKeyDetails {
  try {
    return x509.publicKey.asymmetricKeyDetails ?? {}
  } catch {
    return {}
  }
}

function isTrusted(check: () => unknown): boolean {
  try {
    check()
    return true
  } catch (thrown) {
    if (thrown instanceof SpindleError) return false
    throw thrown
  }
}
