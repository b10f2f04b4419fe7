/** By what answers at a host name: the server makes up a nonce and fetches it from there. */
import type { HttpChallengeConfig } from '../../../config/server/node-attestors.ts'
import { parsePattern } from '../../../config/server/pattern.ts'
import type { Pattern } from '../../../config/server/pattern.ts'
import { httpGet } from '../../../os/http/get.ts'
import type { LookupFunction } from '../../../os/http/get.ts'
import { parseSelector } from '../../../registration/selector.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { messageOf } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { Random } from '../../../runtime/random.ts'
import {
  httpChallengePath,
  readHttpChallengePlace,
  writeHttpChallenge,
} from '../../../spiffe/http-challenge.ts'
import type { HttpChallengePlace } from '../../../spiffe/http-challenge.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { agentIdOf, attestationRefused } from './attestor.ts'
import type { NodeAttestor } from './attestor.ts'

const TYPE = 'http_challenge'
const NONCE_BYTES = 32
/** As SPIRE has it. */
const FETCH_MS = 10_000
/** A nonce, with room for the white space around it. */
const MOST_BYTES = 64
/** From here on any user of a host may listen. */
const FIRST_OPEN_PORT = 1024

export interface HttpChallengeOptions {
  readonly config: HttpChallengeConfig
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly lookup: LookupFunction
}

export function createHttpChallengeAttestor(options: HttpChallengeOptions): NodeAttestor {
  const { config, trustDomain, clock, random, lookup } = options
  const patterns = config.allowedDnsPatterns.map(parsePattern)
  return {
    type: TYPE,
    async attest(payload, challenge, { signal }) {
      const place = placeIn(payload)
      checkPort(place, config)
      checkHost(place, patterns)
      const nonce = base64Url(random.bytes(NONCE_BYTES))
      // What comes back says nothing; it comes once the nonce is served.
      await challenge(writeHttpChallenge(nonce))
      const target = { host: place.hostName, port: place.port, path: httpChallengePath(place) }
      const limits = { clock, signal, lookup, deadlineMs: FETCH_MS, mostBytes: MOST_BYTES }
      const served = await httpGet(target, limits).catch((thrown: unknown) => {
        throw unproven(messageOf(thrown))
      })
      if (served.trim() !== nonce) throw unproven('what it serves is not the nonce')
      const { hostName } = place
      return {
        agentId: agentIdOf(trustDomain, `/${TYPE}/${hostName}`),
        selectors: [parseSelector(`${TYPE}:hostname:${hostName}`)],
        canReattest: !config.tofu,
        firstUse: config.tofu,
      }
    },
  }
}

function placeIn(payload: Uint8Array): HttpChallengePlace {
  try {
    return readHttpChallengePlace(payload)
  } catch (thrown) {
    throw refused(status.INVALID_ARGUMENT, messageOf(thrown))
  }
}

function checkPort(
  { port }: HttpChallengePlace,
  { requiredPort, allowNonRootPorts }: HttpChallengeConfig,
): void {
  if (requiredPort !== undefined && port !== requiredPort)
    throw refused(status.INVALID_ARGUMENT, `port ${port} is not allowed to be used by this server`)
  if (!allowNonRootPorts && port >= FIRST_OPEN_PORT)
    throw refused(status.INVALID_ARGUMENT, `port ${port} is not allowed to be >= 1024`)
}

function checkHost({ hostName }: HttpChallengePlace, patterns: readonly Pattern[]): void {
  if (/^(?:.*\.)?localhost$/i.test(hostName))
    throw refused(status.PERMISSION_DENIED, 'you can not use localhost as a hostname')
  if (patterns.length > 0 && !patterns.some((pattern) => pattern.matches(hostName)))
    throw refused(status.PERMISSION_DENIED, 'the requested hostname is not allowed to connect')
}

/** With padding, as SPIRE's nonces are. */
const base64Url = (bytes: Buffer): string =>
  bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')

const unproven = (why: string) =>
  refused(status.PERMISSION_DENIED, `challenge verification failed: ${why}`)

const refused = (code: number, why: string) => attestationRefused(TYPE, code, why)
