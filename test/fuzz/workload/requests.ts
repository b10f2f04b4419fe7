/** Calls of the Workload API as a client might make them, might get them wrong, and never would. */
import type { OutgoingHttpHeaders } from 'node:http2'
import { create, toBinary } from '@bufbuild/protobuf'
import {
  JWTSVIDRequestSchema,
  SpiffeWorkloadAPI,
  ValidateJWTSVIDRequestSchema,
  WITSVIDRequestSchema,
} from '../../../src/gen/spiffe/workload/workload_pb.js'
import type { Draw } from '../draw.ts'
import { mutate } from '../draw.ts'
import type { Source } from '../jwt/contents.ts'
import { KIND_NAMES, KINDS } from '../jwt/forgeries.ts'
import { AUDIENCE } from '../jwt/keys.ts'
import type { Verdict } from '../jwt/oracle.ts'

export const RPCS = SpiffeWorkloadAPI.methods.map(({ name }) => name) as [string, ...string[]]
const SERVICE = '/SpiffeWorkloadAPI'

export interface Call {
  /** One of the seven, or '' */
  readonly rpc: string
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  /** The security header is as it must be. */
  readonly allowed: boolean
  /** Path, headers and message are such that whatever is answered is no fault of the agent's. */
  readonly sound: boolean
  /** gRPC messages with their heads. */
  readonly body: Buffer
  /** Of a sound ValidateJWTSVID. */
  readonly asked?: { readonly audience: string; readonly svid: string }
  /** Of a sound FetchJWTSVID. */
  readonly audience?: readonly string[]
}

/** What a client knows of the agent. */
export interface Known {
  readonly source: Source
  /** Tokens it was given, for AUDIENCE. */
  readonly tokens: string[]
  /** Whether a token is valid, by other code; `now` in ms since the epoch. */
  judge(token: string, audience: string, now: number): Verdict
}

export const OWN_IDS = ['spiffe://agent.test/web', 'spiffe://agent.test/api'] as const
const IDS = [
  '',
  '',
  ...OWN_IDS,
  'spiffe://agent.test/other',
  'spiffe://agent.test',
  'spiffe://example.org/web',
  'no id',
  'spiffe://agent.test/\u001b[31m',
  'x'.repeat(5_000),
] as const

const HEADER = 'workload.spiffe.io'
const WRONG_HEADERS: readonly [OutgoingHttpHeaders, ...OutgoingHttpHeaders[]] = [
  {},
  { [HEADER]: 'True' },
  { [HEADER]: 'TRUE' },
  { [HEADER]: 'false' },
  { [HEADER]: '1' },
  { [HEADER]: '' },
  { [HEADER]: ['true', 'true'] },
  { [HEADER]: 'true,true' },
  { [HEADER]: ['false', 'true'] },
  { [`${HEADER}-bin`]: 'dHJ1ZQ' },
  { 'x-workload.spiffe.io': 'true' },
]
/** What a call says beside: of no account, or such that no answer comes. */
const ODD_HEADERS: readonly [OutgoingHttpHeaders, ...OutgoingHttpHeaders[]] = [
  { 'grpc-timeout': '1n' },
  { 'grpc-timeout': '100m' },
  { 'grpc-timeout': '99999999S' },
  { 'grpc-timeout': '999999999999S' },
  { 'grpc-timeout': '-1S' },
  { 'grpc-timeout': 'soon' },
  { 'grpc-timeout': '' },
  { 'grpc-encoding': 'gzip' },
  { 'grpc-encoding': 'nothing-known' },
  { 'grpc-accept-encoding': 'gzip,deflate,br' },
  { 'content-type': 'application/grpc+json' },
  { 'content-type': 'text/plain' },
  { 'content-type': '' },
  { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' },
  { 'x-forwarded-for': '127.0.0.1' },
  { 'x-odd-bin': '!!!' },
  { 'x-large': 'y'.repeat(6_000) },
  { constructor: 'x', prototype: 'x', 'has-own-property': 'x' },
  Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`x-${index}`, `${index}`])),
]

const AUDIENCES = [
  AUDIENCE,
  AUDIENCE,
  AUDIENCE,
  'other',
  'é\u{1f511}',
  'x'.repeat(300),
  '',
] as const

export function drawCall(draw: Draw, known: Known): Call {
  const rpc = draw.chance(0.98) ? draw.pick(RPCS) : ''
  const path = rpc === '' ? draw.pick(PATHS) : `${SERVICE}/${rpc}`
  const allowed = draw.chance(0.85)
  const odd = draw.chance(0.05)
  const message = drawMessage(draw, rpc, known)
  const { framed, whole } = frame(draw, message.bytes)
  const headers = {
    ...(allowed ? { [HEADER]: 'true' } : draw.pick(WRONG_HEADERS)),
    ...(odd && draw.pick(ODD_HEADERS)),
  }
  const sound = rpc !== '' && !odd && whole && message.sound
  const { asked, audience } = message
  return {
    rpc,
    path,
    headers,
    allowed,
    sound,
    body: framed,
    ...(sound && asked !== undefined && { asked }),
    ...(sound && audience !== undefined && { audience }),
  }
}

const PATHS = [
  `${SERVICE}/`,
  `${SERVICE}/NoSuch`,
  `${SERVICE}/fetchx509svid`,
  `${SERVICE}/FetchX509SVID/`,
  `/${SERVICE}/FetchX509SVID`,
  '/spiffeworkloadapi/FetchX509SVID',
  '/spiffe.SpiffeWorkloadAPI/FetchX509SVID',
  '/',
  '/%2e%2e/',
  `/${'z'.repeat(4_000)}`,
] as const

interface Drawn {
  readonly bytes: Buffer
  readonly sound: boolean
  readonly asked?: Call['asked']
  readonly audience?: Call['audience']
}

function drawMessage(draw: Draw, rpc: string, known: Known): Drawn {
  if (draw.chance(0.08)) return { bytes: draw.bytes(draw.size(2_000)), sound: false }
  const drawn = drawSound(draw, rpc, known)
  if (draw.chance(0.8)) return drawn
  const other = drawSound(draw, draw.pick(RPCS), known).bytes
  return { bytes: mutate(draw, drawn.bytes, other), sound: false }
}

function drawSound(draw: Draw, rpc: string, known: Known): Drawn {
  switch (rpc) {
    case 'FetchJWTSVID': {
      const audience = Array.from({ length: count(draw) }, () => draw.pick(AUDIENCES))
      const message = create(JWTSVIDRequestSchema, { audience, spiffeId: draw.pick(IDS) })
      return { bytes: Buffer.from(toBinary(JWTSVIDRequestSchema, message)), sound: true, audience }
    }
    case 'ValidateJWTSVID': {
      const asked = { audience: draw.pick(['', ...AUDIENCES]), svid: drawToken(draw, known) }
      const message = create(ValidateJWTSVIDRequestSchema, asked)
      const bytes = Buffer.from(toBinary(ValidateJWTSVIDRequestSchema, message))
      return { bytes, sound: true, asked }
    }
    case 'FetchWITSVID': {
      const message = create(WITSVIDRequestSchema, { spiffeId: draw.pick(IDS) })
      return { bytes: Buffer.from(toBinary(WITSVIDRequestSchema, message)), sound: true }
    }
    default:
      return { bytes: Buffer.alloc(0), sound: true }
  }
}

const count = (draw: Draw): number =>
  draw.chance(0.01) ? draw.pick([100, 3_000]) : draw.pick([1, 1, 1, 2, 3, 0])

/** One of the agent's, changed or not, or one of the trust domains it federates with, forged or not. */
function drawToken(draw: Draw, { source, tokens }: Known): string {
  const [own, other] = [tokens[draw.int(tokens.length)], tokens[draw.int(tokens.length)]]
  if (own !== undefined && other !== undefined && draw.chance(0.5)) {
    if (draw.chance(0.3)) return own
    return mutate(draw, Buffer.from(own), Buffer.from(other)).toString('latin1')
  }
  const kind = draw.chance(0.005) ? 'large' : draw.pick(KIND_NAMES)
  return KINDS[kind](draw, source).toWellFormed()
}

/** With its head; now and then another one, none, or a message more. */
function frame(draw: Draw, message: Buffer): { readonly framed: Buffer; readonly whole: boolean } {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  const framed = Buffer.concat([head, message])
  if (draw.chance(0.97)) return { framed, whole: true }
  switch (draw.int(4)) {
    case 0:
      return { framed: Buffer.concat([framed, framed]), whole: false }
    case 1:
      return { framed: Buffer.alloc(0), whole: false }
    case 2:
      framed[0] = draw.pick([1, 2, 255])
      return { framed, whole: false }
    default:
      framed.writeUInt32BE(draw.pick([0, message.length + 1, 5_000_000, 0xffff_ffff]), 1)
      return { framed, whole: false }
  }
}
