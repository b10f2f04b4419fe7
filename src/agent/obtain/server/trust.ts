/** What the server is verified with: first what the operator says, then the bundle, as it changes. */
import { pathToAnchor } from '../../../authority/chain.ts'
import {
  parseCertificate,
  readCertificatesPem,
  usableTrustAnchors,
  verifyX509Svid,
} from '../../../certs/parse.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Feed } from '../../../runtime/feed.ts'
import { createFeed } from '../../../runtime/feed.ts'
import { parseBundle } from '../../../spiffe/bundle.ts'
import { serverSpiffeId, trustDomainOf } from '../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { spiffeIdOf } from '../../../spiffe/x509-svid.ts'
import type { ServerTrust } from './link.ts'

export interface Trust {
  /** undefined: nothing yet. */
  readonly state: Feed<ServerTrust | undefined>
  /** What the operator, or the server that was believed as it was, gave. */
  begin(trust: ServerTrust | undefined): void
  /** The authorities that the bundle has now. None that may sign: they stay what they are. */
  replace(authorities: readonly Uint8Array[]): void
}

export function createTrust(remembered: ServerTrust | undefined): Trust {
  const state = createFeed(remembered)
  return {
    state,
    begin: (trust) => state.set(trust),
    replace(authorities) {
      const { anchors } = usableTrustAnchors(authorities)
      const before = state.current
      if (anchors.length === 0 || (before !== undefined && isSame(before.authorities, anchors)))
        return
      const pinned = before?.pinned
      const isThere = pinned !== undefined && anchors.some((der) => equal(der, pinned))
      state.set({ authorities: anchors, pinned: isThere ? pinned : undefined })
    },
  }
}

/** Whether what `before` vouched for is not all vouched for by `after`. */
export function hasLost(before: ServerTrust | undefined, after: ServerTrust | undefined): boolean {
  const left = after?.authorities ?? []
  return (before?.authorities ?? []).some((der) => !left.some((other) => equal(der, other)))
}

/**
 * PEM certificates, or a SPIFFE bundle.
 * @throws SpindleError `bundle_invalid`, `certificate_invalid` naming `place`
 */
export function readTrust(
  text: string,
  { trustDomain, place }: { readonly trustDomain: TrustDomain; readonly place: string },
): readonly Uint8Array[] {
  const found = text.trimStart().startsWith('{')
    ? parseBundle(trustDomain, text).bundle.x509Authorities
    : readCertificatesPem(text, place)
  const { anchors, warnings } = usableTrustAnchors(found)
  if (anchors.length > 0) return anchors
  const why = warnings[0] === undefined ? '' : `: ${warnings[0]}`
  throw new SpindleError('bundle_invalid', `${place}: no X.509 authority of ${trustDomain}${why}`)
}

/**
 * That `chain` is the server's X.509-SVID. SPIRE names its server so in every trust domain.
 * @returns the authority it leads to. @throws SpindleError `certificate_invalid`
 */
export function verifyServer(
  chain: readonly Uint8Array[],
  {
    trustDomain,
    authorities,
    clock,
  }: {
    readonly trustDomain: TrustDomain
    readonly authorities: readonly Uint8Array[]
    readonly clock: Clock
  },
): Uint8Array | undefined {
  const [leaf] = chain
  const claimed = leaf && trustDomainOf(spiffeIdOf(parseCertificate(leaf, 'certificate')))
  if (claimed !== undefined && claimed !== trustDomain)
    throw new SpindleError(
      'certificate_invalid',
      `it is of the trust domain ${claimed}, and trustDomain here is ${trustDomain}`,
    )
  const bundles = new Map([[trustDomain, authorities]])
  const id = verifyX509Svid(chain, bundles, { now: clock.now(), mode: 'lenient' })
  const server = serverSpiffeId(trustDomain)
  if (id !== server) {
    throw new SpindleError('certificate_invalid', `it is ${id}, which is not ${server}`)
  }
  return pathToAnchor(
    chain.map((der) => Buffer.from(der)),
    authorities.map((der) => Buffer.from(der)),
  )?.anchor
}

function isSame(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  return one.length === other.length && one.every((der) => other.some((each) => equal(der, each)))
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
