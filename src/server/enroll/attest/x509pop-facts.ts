/** What a certificate says of a node: selectors, and what the ID of its agent may be made of. */
import { hash } from 'node:crypto'
import type { ParsedCertificate } from '../../../certs/parse.ts'
import { commonNameOf } from '../../../certs/proof/names.ts'
import { parseSelector } from '../../../registration/selector.ts'
import type { Selector } from '../../../registration/selector.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'

export const X509POP = 'x509pop'

/** SHA-1, as SPIRE has it: it names a certificate, and vouches for nothing. */
const fingerprintOf = ({ der }: ParsedCertificate): string => hash('sha1', der, 'hex')
const serialOf = ({ serial }: ParsedCertificate): string => serial.toLowerCase()

/** `x509pop://<trust domain>/<key>/<value>` of the URI SANs, by key; the last one counts. */
export function uriSans(
  leaf: ParsedCertificate,
  trustDomain: TrustDomain,
): ReadonlyMap<string, string> {
  const prefix = `${X509POP}://${trustDomain}/`
  const found = new Map<string, string>()
  for (const uri of leaf.uriSans) {
    if (!uri.startsWith(prefix)) continue
    const path = /^[^?#]*/.exec(uri.slice(prefix.length))?.[0] ?? ''
    const [, key, value] = /^([^/]+)\/(.+)$/s.exec(decoded(path).replace(/^\/+|\/+$/g, '')) ?? []
    if (key !== undefined && value !== undefined) found.set(key, value)
  }
  return found
}

/** '' where it is not percent-encoded as it should be. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return ''
  }
}

/** What the fields of a path template are filled with. */
export function pathFields(
  leaf: ParsedCertificate,
  more: {
    readonly trustDomain: TrustDomain
    readonly svidPath: string
    readonly sans: ReadonlyMap<string, string>
  },
): ReadonlyMap<string, string> {
  return new Map([
    ['PluginName', X509POP],
    ['TrustDomain', more.trustDomain],
    ['Fingerprint', fingerprintOf(leaf)],
    ['SerialNumberHex', serialOf(leaf)],
    ['Subject.CommonName', commonNameOf(leaf)],
    ['SVIDPathTrimmed', more.svidPath],
    ...Array.from(more.sans, ([key, value]) => [`URISanSelectors.${key}`, value] as const),
  ])
}

export function popSelectors(
  leaf: ParsedCertificate,
  about: {
    readonly issuers: readonly ParsedCertificate[]
    readonly sans: ReadonlyMap<string, string>
  },
): readonly Selector[] {
  const commonName = commonNameOf(leaf)
  const values = [
    ...(commonName === '' ? [] : [`subject:cn:${commonName}`]),
    ...about.issuers.map((issuer) => `ca:fingerprint:${fingerprintOf(issuer)}`),
    `serialnumber:${serialOf(leaf)}`,
    ...Array.from(about.sans, ([key, value]) => `san:${key}:${value}`),
  ]
  return Array.from(new Set(values)).flatMap(selectorIfAny)
}

/** None where the text can be in no entry either. */
function selectorIfAny(value: string): readonly Selector[] {
  try {
    return [parseSelector(`${X509POP}:${value}`)]
  } catch {
    return []
  }
}
