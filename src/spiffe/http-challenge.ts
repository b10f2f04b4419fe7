/**
 * What a node and a server say to each other in SPIRE's node attestation `http_challenge`: the node says where it listens, the
 * server says a nonce and fetches it from there. All of it is JSON.
 */
import { Buffer } from 'node:buffer'
import { SpindleError } from '../runtime/errors.ts'
import { readJson } from './json.ts'
import type { JsonObject } from './json.ts'

/** Where a node answers over HTTP. */
export interface HttpChallengePlace {
  /** A DNS name, or an IPv4 address in four numbers. */
  readonly hostName: string
  /** Tells agents of one host apart. */
  readonly agentName: string
  readonly port: number
}

const MAX_BYTES = 4096
/** RFC 1035 2.3.4; `_` too, which names of containers have. */
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*$/
const AGENT_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/
/** 32 bytes in base64 of the kind for URLs, padded. */
const NONCE = /^[\x21-\x7e]{16,64}$/

/** Of the URL at which the nonce of a challenge is fetched; its host and port are those of the place. */
export function httpChallengePath({ agentName }: Pick<HttpChallengePlace, 'agentName'>): string {
  return `/.well-known/spiffe/nodeattestor/http_challenge/${agentName}/challenge`
}

export function writeHttpChallengePlace(place: HttpChallengePlace): Buffer {
  const { hostName, agentName, port } = place
  return json({ hostname: hostName, agentname: agentName, port })
}

/** @throws SpindleError `request_invalid` */
export function readHttpChallengePlace(payload: Uint8Array): HttpChallengePlace {
  const members = objectIn(payload, 'the attestation data')
  const [hostName, agentName] = [members.get('hostname'), members.get('agentname')]
  const port = Number(members.get('port') ?? 0)
  if (typeof hostName !== 'string' || !HOST_NAME.test(hostName))
    throw invalid('host name is not valid')
  if (typeof agentName !== 'string' || !AGENT_NAME.test(agentName))
    throw invalid('agent name is not valid')
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid('port is invalid')
  return { hostName, agentName, port }
}

export function writeHttpChallenge(nonce: string): Buffer {
  return json({ nonce })
}

/** @returns the nonce. @throws SpindleError `request_invalid` */
export function readHttpChallenge(bytes: Uint8Array): string {
  const nonce = objectIn(bytes, 'the challenge').get('nonce')
  if (typeof nonce !== 'string' || !NONCE.test(nonce)) throw invalid('the nonce is not valid')
  return nonce
}

/** What a node answers once it serves the nonce. */
export function writeHttpChallengeResponse(): Buffer {
  return json({})
}

function objectIn(bytes: Uint8Array, place: string): JsonObject {
  if (bytes.length > MAX_BYTES) throw invalid(`${place} is longer than ${MAX_BYTES} bytes`)
  const value = readJson(Buffer.from(bytes).toString(), { code: 'request_invalid', place })
  if (!(value instanceof Map)) throw invalid(`${place} is not a JSON object`)
  return value
}

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value))

function invalid(message: string): SpindleError {
  return new SpindleError('request_invalid', message)
}
