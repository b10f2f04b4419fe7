/** The agent's own X.509-SVID, by which the server knows it. */
import { pathToAnchor } from '../../../../authority/chain.ts'
import { parseCertificate, readKeyOf, verifyX509Svid } from '../../../../certs/parse.ts'
import { SpindleError } from '../../../../runtime/errors.ts'
import { trustDomainId } from '../../../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../../../spiffe/spiffe-id.ts'
import type { LinkMemory } from '../link.ts'

export interface OwnSvid {
  readonly id: SpiffeId
  /** DER, leaf first. */
  readonly chain: readonly Buffer[]
  /** DER. Secret. */
  readonly pkcs8: Uint8Array
  readonly notBefore: number
  readonly notAfter: number
  /** Whether the same proof of the node is good for another one. */
  readonly reattestable: boolean
}

interface Expected {
  readonly trustDomain: TrustDomain
  /** DER: X.509 authorities of the own trust domain. */
  readonly authorities: readonly Uint8Array[]
  readonly now: number
}

/** What a server answered. @throws SpindleError `certificate_invalid` where it is not what was asked for */
export function checkOwnSvid(
  answer: {
    readonly chain: readonly Uint8Array[]
    readonly pkcs8: Uint8Array
    readonly reattestable: boolean
  },
  { trustDomain, authorities, now }: Expected,
): OwnSvid {
  const id = verifyX509Svid(answer.chain, new Map([[trustDomain, authorities]]), {
    now,
    mode: 'lenient',
  })
  if (!id.startsWith(`${trustDomainId(trustDomain)}/spire/agent/`))
    throw invalid(`${id} is not the SPIFFE ID of an agent`)
  const leaf = parseCertificate(answer.chain[0]!, 'the certificate')
  readKeyOf(leaf.x509, answer.pkcs8)
  const chain = answer.chain.map((der) => Buffer.from(der))
  const anchors = authorities.map((der) => Buffer.from(der))
  const path = pathToAnchor(chain, anchors)
  if (path === undefined) throw invalid('its chain is not in order')
  const { notBefore, notAfter } = leaf
  const { pkcs8, reattestable } = answer
  return { id, chain: path.sent, pkcs8, notBefore, notAfter, reattestable }
}

/** undefined: there is none, or it is none any more. */
export function rememberedSvid(
  memory: LinkMemory | undefined,
  trustDomain: TrustDomain,
  now: number,
): OwnSvid | undefined {
  if (memory?.svid === undefined) return undefined
  try {
    const { authorities } = memory.trust
    return checkOwnSvid(memory.svid, { trustDomain, authorities, now })
  } catch (thrown) {
    if (thrown instanceof SpindleError) return undefined
    throw thrown
  }
}

function invalid(fault: string): SpindleError {
  return new SpindleError('certificate_invalid', `the SVID of the agent: ${fault}`)
}
