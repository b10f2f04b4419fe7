/** Secrets from identities and bundles: each made once for a name and shared by every caller that may have it. */
import { toPem } from '../../certs/parse.ts'
import type { Bundle } from '../../spiffe/bundle.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { ValidatorFlavour } from '../../xds/flavour.ts'
import { bundleContent } from '../../xds/flavour.ts'
import type { Meaning } from '../../xds/names.ts'
import type { Resource } from '../../xds/resource.ts'
import { makeResource } from '../../xds/secret.ts'
import type { Identity } from '../obtain/identity.ts'

export type Bundles = ReadonlyMap<TrustDomain, Bundle>

export type BundleMeaning = Extract<Meaning, { kind: 'bundle' | 'all-bundles' }>

export interface Secrets {
  svid(name: string, identity: Identity): Resource
  /** A secret, or why there is none: no bundle is no answer, never an empty one. */
  bundle(
    name: string,
    meaning: BundleMeaning,
    from: { readonly bundles: Bundles; readonly flavour: ValidatorFlavour },
  ): Resource | { readonly why: string }
}

export function createSecrets(): Secrets {
  // Keyed by what they are made of, so that what is replaced is forgotten with it.
  const svids = new WeakMap<Identity, Map<string, Resource>>()
  const contexts = new WeakMap<Bundles, Map<string, Resource | { why: string }>>()
  const pems = new WeakMap<Bundle, string>()

  const pemOf = (bundle: Bundle | undefined): string | undefined => {
    if (bundle === undefined) return undefined
    let pem = pems.get(bundle)
    if (pem === undefined) {
      pem = bundle.x509Authorities.map((der) => toPem(der, 'CERTIFICATE')).join('')
      pems.set(bundle, pem)
    }
    return pem
  }

  return {
    svid(name, identity) {
      return remembered(svids, identity, name, () => {
        const { svid, pkcs8 } = identity
        const chain = svid.chain.map((der) => toPem(der, 'CERTIFICATE')).join('')
        const content = {
          kind: 'tls-certificate',
          chain,
          key: toPem(pkcs8, 'PRIVATE KEY'),
        } as const
        const resource = makeResource(name, content, svid.notAfter)
        if (resource === undefined) throw new TypeError('an SVID is never an empty secret')
        return resource
      })
    },
    bundle(name, meaning, { bundles, flavour }) {
      const domains = meaning.kind === 'bundle' ? [meaning.trustDomain] : meaning.trustDomains
      return remembered(
        contexts,
        bundles,
        [flavour, meaning.kind, name, ...domains].join('\0'),
        () => {
          const made = bundleContent(meaning, flavour, (domain) => pemOf(bundles.get(domain)))
          if ('why' in made) return made
          return makeResource(name, made.content) ?? { why: 'the bundle holds no X.509 authority' }
        },
      )
    },
  }
}

function remembered<K extends object, V>(
  memory: WeakMap<K, Map<string, V>>,
  source: K,
  key: string,
  make: () => V,
): V {
  let known = memory.get(source)
  if (known === undefined) {
    known = new Map()
    memory.set(source, known)
  }
  let value = known.get(key)
  if (value === undefined) {
    value = make()
    known.set(key, value)
  }
  return value
}
