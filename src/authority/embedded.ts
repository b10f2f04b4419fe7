import { createRootCertificate } from '../certs/issuer.ts'
import { trustDomainId } from '../spiffe/spiffe-id.ts'
import type { ServerX509Authority } from './authority.ts'
import type { AuthorityOptions, CaSlotStore, CaSource } from './slot.ts'
import { createSlotAuthority } from './x509-slots.ts'

/** An authority that is its own trust anchor: self-signed CA certificates of `caTtlMs`, all of them in the bundle. */
export function createEmbeddedAuthority(
  options: AuthorityOptions & { readonly store: CaSlotStore },
): Promise<ServerX509Authority> {
  return createSlotAuthority(embeddedSource(options), options.store, options)
}

function embeddedSource(options: AuthorityOptions): CaSource {
  const id = trustDomainId(options.trustDomain)
  return {
    kind: 'embedded',
    fault: () => undefined,
    furthest: (now) => now + options.caTtlMs,
    async mint(key, request) {
      const certificate = await createRootCertificate(key, { ...request, trustDomainId: id })
      return { certificates: [certificate], signedBy: '' }
    },
    trusts: () => true,
    current: () => true,
    attached: () => undefined,
    anchors: (slots) => slots.flatMap((slot) => slot.certificates.slice(0, 1)),
    intermediates: () => [],
    async reload() {},
    watch: () => () => {},
  }
}
