/** The CA above that of this server, by SPIRE's rules: it is given up when it signed what is old, and nothing that signs or will. */
import { parseCertificate } from '../../../certs/parse.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { JournaledAuthority, StoredBundle, X509Authority } from '../../../store/model.ts'
import type { Asked } from '../service.ts'
import { invalid, refused } from '../worded.ts'
import type { LocalAuthorityParts } from './steps.ts'

export interface UpstreamSteps {
  /** @returns the subject key id, as it is in the bundle */
  taint(subjectKeyId: string, asked: Asked): Promise<string>
  revoke(subjectKeyId: string, asked: Asked): Promise<string>
}

export function createUpstreamSteps(
  parts: LocalAuthorityParts,
  trustDomain: TrustDomain,
): UpstreamSteps {
  const { store, issuing, fleet } = parts
  /** @returns what of this server is below it */
  const check = async (id: string, what: string): Promise<readonly string[]> => {
    const rows = (await store.authorities.list()).filter(
      ({ serverId, kind }) => serverId === issuing.serverId && kind === 'x509',
    )
    if (!rows.some(({ upstreamKeyId }) => upstreamKeyId !== undefined))
      throw refused(status.FAILED_PRECONDITION, 'upstream authority is not configured')
    const fault = faultOf(rows, id)
    if (fault !== undefined) throw invalid(what, new Error(fault))
    return rows.flatMap(({ upstreamKeyId, authorityId }) =>
      upstreamKeyId === id ? [authorityId] : [],
    )
  }
  const change = async (
    id: string,
    asked: Asked,
    step: { readonly action: string; readonly of: (bundle: StoredBundle) => StoredBundle },
  ): Promise<string> => {
    let isThere = false
    await store.bundles.change(trustDomain, (bundle) => {
      isThere = bundle?.x509Authorities.some((one) => keyIdOf(one) === id) === true
      return bundle !== undefined && isThere ? step.of(bundle) : bundle
    })
    if (!isThere) throw refused(status.NOT_FOUND, 'no ca found with provided subject key ID')
    const { caller, method } = asked
    const { action } = step
    parts.audit.write({ event: 'changed', caller, method, object: 'authority', key: id, action })
    await parts.registry.shown()
    return id
  }
  return {
    async taint(subjectKeyId, asked) {
      const id = subjectKeyId.toLowerCase()
      await check(id, 'provided subject key id is not valid')
      const of = (bundle: StoredBundle): StoredBundle => {
        const x509Authorities = bundle.x509Authorities.map((one) =>
          keyIdOf(one) === id && !one.tainted ? { ...one, tainted: true } : one,
        )
        return { ...bundle, x509Authorities, sequence: bundle.sequence + 1 }
      }
      return await change(id, asked, { action: 'taint-upstream', of })
    },
    async revoke(subjectKeyId, asked) {
      const id = subjectKeyId.toLowerCase()
      const below = await check(id, 'invalid subject key ID')
      const own = await store.bundles.get(trustDomain)
      if (own?.x509Authorities.some((one) => keyIdOf(one) === id && !one.tainted) === true)
        throw refused(
          status.FAILED_PRECONDITION,
          'failed to revoke X.509 upstream authority',
          new Error('it is not possible to revoke an untainted root CA'),
        )
      const agents = await fleet.everywhere()
      const [holder, ...others] = agents.holders('x509', [id, ...below])
      if (holder !== undefined)
        throw new SpindleError(
          'precondition_failed',
          `connected agents hold SVIDs that lead to the upstream authority: ${holder}${others.length === 0 ? '' : ` and ${others.length} more`}`,
        )
      const { anchors } = issuing.x509.state.current
      if (anchors.some((certificate) => keyIdOf({ certificate }) === id))
        throw new SpindleError(
          'precondition_failed',
          'the upstream authority is still trusted by the configuration of this server: no connected agent needs it, take it out there',
        )
      const of = (bundle: StoredBundle): StoredBundle => ({
        ...bundle,
        x509Authorities: bundle.x509Authorities.filter((one) => keyIdOf(one) !== id),
        sequence: bundle.sequence + 1,
      })
      return await change(id, asked, { action: 'revoke-upstream', of })
    },
  }
}

/** In SPIRE's words. */
function faultOf(rows: readonly JournaledAuthority[], id: string): string | undefined {
  if (id === '') return 'no subject key ID provided'
  const signed = rows.filter(({ upstreamKeyId }) => upstreamKeyId === id)
  if (signed.some(({ status: is }) => is === 'active'))
    return 'unable to use upstream authority singing current authority'
  if (signed.length === 0) return "upstream authority didn't sign the old local authority"
  if (signed.some(({ status: is }) => is === 'prepared'))
    return 'only upstream authorities signing an old authority can be used'
  return undefined
}

/** '' for one that cannot be read. */
function keyIdOf({ certificate }: Pick<X509Authority, 'certificate'>): string {
  try {
    return parseCertificate(certificate, 'an X.509 authority of the bundle').subjectKeyId
  } catch {
    return ''
  }
}
