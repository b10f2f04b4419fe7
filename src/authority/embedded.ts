import { createRootCertificate } from '../certs/issuer.ts'
import { trustDomainId } from '../spiffe/spiffe-id.ts'
import type { ServerX509Authority } from './authority.ts'
import type { AuthorityOptions, CaSlot, CaSlotStore, CaSource } from './slot.ts'
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
    anchors: anchorsOf,
    taintedAnchors: (slots) => anchorsOf(slots.filter(({ status }) => status === 'tainted')),
    intermediates: () => [],
    async reload() {},
    watch: () => () => {},
  }
}

const anchorsOf = (slots: readonly CaSlot[]): readonly Buffer[] =>
  slots.flatMap((slot) => slot.certificates.slice(0, 1))
