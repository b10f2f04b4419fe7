/** By a certificate of CAs that the operator trusts, or an X.509-SVID, whose key the node shows to have. */
import type { X509popConfig } from '../../../config/server/node-attestors.ts'
import { AGENT_PATH_FIELDS } from '../../../config/server/node-attestors.ts'
import {
  newPopChallenge,
  popFamilyOf,
  popResponseFits,
  readPopPayload,
  readPopResponse,
  writePopChallenge,
} from '../../../certs/proof/x509pop.ts'
import { issuersOf, parseCertificate, verifyX509Svid } from '../../../certs/parse.ts'
import type { ParsedCertificate } from '../../../certs/parse.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError, messageOf } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { Random } from '../../../runtime/random.ts'
import { parsePathTemplate } from '../../../spiffe/path-template.ts'
import { trustDomainId } from '../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { agentIdOf, attestationRefused } from './attestor.ts'
import type { Challenge, NodeAttestor } from './attestor.ts'
import { X509POP, pathFields, popSelectors, uriSans } from './x509pop-facts.ts'

/** Below it a key can be computed from its certificate. */
const LEAST_RSA_BITS = 1024
/** As Go takes them; a longer one makes each verification dear. */
const MOST_EXPONENT = 2n ** 31n

export interface X509popOptions {
  readonly config: X509popConfig
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  /** As of now: the operator's CAs, or with mode `spiffe` the X.509 authorities of the own trust domain. DER. */
  readonly anchors: () => readonly Uint8Array[]
}

interface Chain {
  readonly leaf: ParsedCertificate
  readonly intermediates: readonly ParsedCertificate[]
}

export function createX509popAttestor(options: X509popOptions): NodeAttestor {
  const { config, trustDomain, random } = options
  const template = parsePathTemplate(config.agentPathTemplate, AGENT_PATH_FIELDS)
  return {
    type: X509POP,
    async attest(payload, challenge, { address }) {
      const chain = readChain(payload, config)
      const { leaf } = chain
      const above = {
        intermediates: chain.intermediates,
        anchors: options.anchors(),
        now: options.clock.now(),
      }
      const issuers = certain('certificate verification failed', () => issuersOf(leaf, above))
      const svidPath = config.mode === 'spiffe' ? exchangedPath(chain, options) : ''
      if (config.verifyClientIp && (address === undefined || !namesAddress(leaf, address)))
        throw refused(
          status.PERMISSION_DENIED,
          'client IP does not match any IP SAN of the certificate',
        )
      await provePossession(leaf, challenge, random)
      const sans = uriSans(leaf, trustDomain)
      const fields = pathFields(leaf, { trustDomain, svidPath, sans })
      try {
        const agentId = agentIdOf(
          trustDomain,
          template.fill((field) => fields.get(field)),
        )
        const selectors = popSelectors(leaf, { issuers, sans })
        return { agentId, selectors, canReattest: true, firstUse: false }
      } catch (thrown) {
        throw refused(status.INTERNAL, `failed to make spiffe id: ${messageOf(thrown)}`)
      }
    },
  }
}

/** A challenge that only the holder of the certificate's key can answer. */
async function provePossession(
  { x509, keyUsage }: ParsedCertificate,
  challenge: Challenge,
  random: Random,
): Promise<void> {
  const unfit = (why: string) => refused(status.INTERNAL, `unable to generate challenge: ${why}`)
  const family = popFamilyOf(x509.publicKey)
  if (keyUsage?.usages.includes('digitalSignature') !== true)
    throw unfit('certificate not intended for digital signature use')
  if (family === undefined) throw unfit('unsupported public key type')
  const asked = newPopChallenge(family, random)
  const bytes = await challenge(writePopChallenge(asked))
  const response = readable('unable to unmarshal challenge response', () => readPopResponse(bytes))
  if (popResponseFits(asked, response, x509.publicKey)) return
  const why = `${family.toUpperCase()} signature verify failed`
  throw refused(status.PERMISSION_DENIED, `challenge response verification failed: ${why}`)
}

/** Everything that is cheap to say no to is said before a signature is looked at. */
function readChain(payload: Uint8Array, config: X509popConfig): Chain {
  const ders = readable('failed to unmarshal data', () => readPopPayload(payload))
  const invalid = (why: string) => refused(status.INVALID_ARGUMENT, why)
  if (ders.length === 0) throw invalid('no certificate to attest')
  const { maxIntermediates: most } = config
  if (ders.length - 1 > most)
    throw invalid(
      `too many intermediate certificates: ${ders.length - 1}, maximum allowed: ${most}`,
    )
  const [leaf, ...intermediates] = ders.map((der, index) => {
    const what = index === 0 ? 'leaf certificate' : `intermediate certificate ${index - 1}`
    const certificate = readable(`unable to parse ${what}`, () => parseCertificate(der, what))
    const fault = keyFault(certificate, config.maxRsaBits)
    if (fault !== undefined) throw invalid(`${what}: ${fault}`)
    return certificate
  })
  return { leaf: leaf!, intermediates }
}

function keyFault({ x509 }: ParsedCertificate, mostBits: number): string | undefined {
  try {
    const { asymmetricKeyDetails: details } = x509.publicKey
    const { modulusLength = 0, publicExponent = 3n } = details ?? {}
    if (x509.publicKey.asymmetricKeyType === 'rsa' && modulusLength < LEAST_RSA_BITS)
      return `RSA key size ${modulusLength} is below ${LEAST_RSA_BITS}`
    if (modulusLength > mostBits)
      return `RSA key size ${modulusLength} exceeds maximum allowed size ${mostBits}`
    const exponentFits = publicExponent >= 3n && publicExponent < MOST_EXPONENT
    return exponentFits ? undefined : 'the exponent of its RSA key is not one of those in use'
  } catch {
    return 'its public key cannot be read'
  }
}

/** The path of an X.509-SVID that may be exchanged, without its prefix. */
function exchangedPath(
  { leaf, intermediates }: Chain,
  { config, trustDomain, anchors, clock }: X509popOptions,
): string {
  const chain = [leaf, ...intermediates].map(({ der }) => der)
  const spiffeId = certain('valid SVID x509 cert not found', () =>
    verifyX509Svid(chain, new Map([[trustDomain, anchors()]]), {
      now: clock.now(),
      mode: 'lenient',
    }),
  )
  const path = spiffeId.slice(trustDomainId(trustDomain).length)
  if (path.startsWith(config.svidPrefix)) return path.slice(config.svidPrefix.length)
  throw refused(status.PERMISSION_DENIED, 'x509 cert doesnt match SVID prefix')
}

const namesAddress = ({ x509 }: ParsedCertificate, address: string): boolean =>
  x509.checkIP(address) !== undefined

/** What the node sent, or a refusal that says it is malformed. */
function readable<T>(what: string, read: () => T): T {
  return orRefused(status.INVALID_ARGUMENT, what, read)
}

/** What is certain of it, or a refusal that says it is not. */
function certain<T>(what: string, check: () => T): T {
  return orRefused(status.PERMISSION_DENIED, what, check)
}

function orRefused<T>(code: number, what: string, run: () => T): T {
  try {
    return run()
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    throw refused(code, `${what}: ${messageOf(thrown)}`)
  }
}

const refused = (code: number, why: string) => attestationRefused(X509POP, code, why)
