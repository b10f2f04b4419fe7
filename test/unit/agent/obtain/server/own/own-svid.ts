import type { OwnSvid } from '../../../../../../src/agent/obtain/server/own/svid.ts'
import type { X509Authority } from '../../../../../../src/authority/authority.ts'
import { generateKey } from '../../../../../../src/certs/keys.ts'
import { id } from '../../../../../fakes/store-values.ts'

/** An SVID of an agent, which is good for nothing but to renew. */
export async function createKeyedSvid(
  authority: Pick<X509Authority, 'issue'>,
  ttlMs: number,
): Promise<OwnSvid> {
  const { spki, pkcs8 } = await generateKey('ec-p256')
  const spiffeId = id('/spire/agent/a')
  const { chain, notBefore, notAfter } = await authority.issue({
    spiffeId,
    dnsNames: [],
    spki,
    ttlMs,
  })
  return { id: spiffeId, chain, pkcs8, notBefore, notAfter, reattestable: false }
}
