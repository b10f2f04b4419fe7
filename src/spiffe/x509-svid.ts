import { messageOf, SpindleError } from '../runtime/errors.ts'
import { isWorkloadId, parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

/** What the X509-SVID rules look at, read from a certificate by `certs/`. */
export interface CertificateFacts {
  readonly uriSans: readonly string[]
  readonly dnsSans: readonly string[]
  readonly subjectEmpty: boolean
  readonly sanCritical: boolean
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLen?: number }
  /** undefined: no such extension. Names as in RFC 5280 4.2.1.3, such as `digitalSignature`. */
  readonly keyUsage?: { readonly critical: boolean; readonly usages: readonly string[] }
  /** Dotted OIDs; undefined: no such extension. */
  readonly extendedKeyUsage?: readonly string[]
  /** ms since the epoch */
  readonly notBefore: number
  readonly notAfter: number
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const LEAF_ONLY_USAGES = ['digitalSignature', 'keyEncipherment', 'keyAgreement']

/** A rule that is broken where `broken` holds; `text` begins with its conformance id and the clause of X509-SVID. */
type Rule = readonly [broken: boolean, text: string]

/**
 * The rules a leaf breaks, by the conformance ids (XL-1 …, XV-2 …) with a sentence each; empty when it is a valid leaf.
 * `lenient` is what every validator must refuse (X509-SVID 5.2); `strict` adds what every issuer must keep (X509-SVID 4).
 */
export function leafFaults(facts: CertificateFacts, mode: 'lenient' | 'strict'): readonly string[] {
  const rules = validationRules(facts)
  return broken(mode === 'strict' ? [...rules, ...issuingRules(facts)] : rules)
}

/** The same for a signing certificate (XC-1 …). `own` also applies what only a certificate of our making must keep. */
export function signingCertificateFaults(
  facts: CertificateFacts,
  mode: 'own' | 'external',
): readonly string[] {
  const rules: Rule[] = [
    [!has(facts, 'keyCertSign'), 'XC-1 (X509-SVID 4.3): its key usage must set keyCertSign'],
    [facts.basicConstraints?.ca !== true, 'XC-2 (X509-SVID 4.1): it must be a CA (cA is true)'],
    [
      facts.uriSans.length > 1,
      `XC-6 (X509-SVID 2): it has ${facts.uriSans.length} URI SANs, at most one is allowed`,
    ],
  ]
  // Names inside others' CA certificates are not read: the standard's own example has one that it forbids (TB Appendix A).
  return broken(mode === 'own' ? [...rules, ...ownSigningRules(facts)] : rules)
}

/** What is unusual in an external signing certificate that `signingCertificateFaults` accepts, one sentence each. */
export function signingCertificateWarnings(facts: CertificateFacts): readonly string[] {
  return broken([notCritical(facts), leafUsages(facts)])
}

/** False where the certificate says that no CA may follow it (RFC 5280 4.2.1.9). */
export function mayIssueAuthorities(facts: CertificateFacts): boolean {
  return facts.basicConstraints?.ca === true && facts.basicConstraints.pathLen !== 0
}

/** The SPIFFE ID of a valid leaf. @throws SpindleError `certificate_invalid` */
export function spiffeIdOf(facts: CertificateFacts): SpiffeId {
  const faults = leafFaults(facts, 'lenient')
  const [uri] = facts.uriSans
  if (uri === undefined || faults.length > 0) {
    throw new SpindleError('certificate_invalid', `not an X.509-SVID: ${faults.join('; ')}`)
  }
  return parseSpiffeId(uri)
}

function validationRules(facts: CertificateFacts): readonly Rule[] {
  return [
    [facts.basicConstraints?.ca === true, 'XV-2, XL-5 (X509-SVID 5.2): it is a CA (cA is true)'],
    [has(facts, 'keyCertSign'), 'XV-3, XL-9 (X509-SVID 5.2): its key usage sets keyCertSign'],
    [has(facts, 'cRLSign'), 'XV-3, XL-9 (X509-SVID 5.2): its key usage sets cRLSign'],
    leafUriRule(facts.uriSans),
  ]
}

/** Every URI SAN counts, also those of another scheme (X509-SVID 2). */
function leafUriRule(uris: readonly string[]): Rule {
  const [uri] = uris
  if (uri === undefined || uris.length > 1) {
    return [
      true,
      `XV-6, XL-1 (X509-SVID 2): it has ${uris.length} URI SANs, exactly one is allowed`,
    ]
  }
  const id = tryParse(uri)
  if ('fault' in id) return [true, `XV-4, XL-1 (X509-SVID 5.2): its URI SAN: ${id.fault}`]
  return [!isWorkloadId(id.value), 'XV-5, XL-3 (X509-SVID 5.2): its SPIFFE ID has no path']
}

function issuingRules(facts: CertificateFacts): readonly Rule[] {
  const { extendedKeyUsage: purposes } = facts
  const bothPurposes =
    purposes === undefined || (purposes.includes(SERVER_AUTH) && purposes.includes(CLIENT_AUTH))
  return [
    [
      facts.subjectEmpty && !facts.sanCritical,
      'XL-4 (X509-SVID 3.1): the SAN must be critical where the subject is empty',
    ],
    [
      facts.basicConstraints?.pathLen !== undefined,
      'XL-5 (RFC 5280 4.2.1.9): a leaf has no path length',
    ],
    [
      facts.keyUsage?.critical !== true,
      'XL-6 (X509-SVID 4.3): the key usage must be present and critical',
    ],
    [
      !has(facts, 'digitalSignature'),
      'XL-7 (X509-SVID 4.3): the key usage must set digitalSignature',
    ],
    [
      !bothPurposes,
      'XL-11 (X509-SVID 4.4): the extended key usage must set serverAuth and clientAuth',
    ],
  ]
}

function ownSigningRules(facts: CertificateFacts): readonly Rule[] {
  return [
    notCritical(facts),
    ...facts.uriSans.map(authorityUriRule),
    [
      facts.extendedKeyUsage !== undefined,
      'XC-10 (X509-SVID 4.4): it must have no extended key usage',
    ],
    leafUsages(facts),
  ]
}

function notCritical(facts: CertificateFacts): Rule {
  return [
    facts.keyUsage?.critical !== true,
    'XC-1 (X509-SVID 4.3): the key usage must be present and critical',
  ]
}

function leafUsages(facts: CertificateFacts): Rule {
  const extra = LEAF_ONLY_USAGES.filter((usage) => has(facts, usage))
  return [
    extra.length > 0,
    `XC-11 (X509-SVID A): its key usage sets ${extra.join(', ')}, meant for leaves`,
  ]
}

function authorityUriRule(uri: string): Rule {
  const id = tryParse(uri)
  if ('fault' in id) return [true, `XC-3 (X509-SVID 3.2): its URI SAN: ${id.fault}`]
  return [isWorkloadId(id.value), 'XC-4 (X509-SVID 3.2): the SPIFFE ID of a CA has no path']
}

function tryParse(uri: string): { readonly value: SpiffeId } | { readonly fault: string } {
  try {
    return { value: parseSpiffeId(uri) }
  } catch (error) {
    return { fault: messageOf(error) }
  }
}

function has(facts: CertificateFacts, usage: string): boolean {
  return facts.keyUsage?.usages.includes(usage) ?? false
}

function broken(rules: readonly Rule[]): readonly string[] {
  return rules.filter(([isBroken]) => isBroken).map(([, text]) => text)
}
