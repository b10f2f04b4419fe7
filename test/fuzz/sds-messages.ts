/** Requests of SDS as a client might say them, might get them wrong, and never would. */
import { create, toBinary } from '@bufbuild/protobuf'
import {
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import { SECRET_TYPE_URL } from '../../src/xds/resource.ts'
import type { DeltaAsk, SotwAsk } from '../e2e/rig/sds-caller.ts'
import type { Draw } from './draw.ts'
import { mutate } from './draw.ts'

export type Variant = 'sotw' | 'delta' | 'fetch'

/** What a client knows of its stream so far. */
export interface Memory {
  /** Nonces received, the newest last. */
  readonly nonces: string[]
  /** Of streams before. */
  readonly olderNonces: string[]
  /** Names asked for. */
  names: string[]
  version: string
  node: boolean
}

export interface Message {
  readonly bytes: Buffer
  /** Whether it is a request as the standard has it: what follows it on its stream is read by a server that goes on. */
  readonly valid: boolean
}

/** The caller has the first four; whoever is given another has been given another's. */
export const OWN_NAMES = ['default', 'ROOTCA', 'ALL', 'spiffe://example.org/web'] as const
const NAMES = [
  ...OWN_NAMES,
  'spiffe://example.org',
  'spiffe://example.org/other',
  'spiffe://partner.test',
  'nothing-of-that-name',
  'Ünïcode \u{1f511}',
  '__proto__',
  '../../etc/passwd',
] as const
const BAD_NAMES = ['', '*', 'n'.repeat(2049), 'a\0b', '\ud800'] as const
const TYPE_URLS = [
  '',
  'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  'type.googleapis.com/envoy.api.v2.auth.Secret',
  `${SECRET_TYPE_URL}s`,
] as const
const TEXTS = [
  '',
  'Failed to load certificate chain from <inline>',
  'KEY_VALUES_MISMATCH',
  'Failed to load private key',
  '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----',
  'x'.repeat(5000),
] as const

export function drawMessage(draw: Draw, variant: Variant, memory: Memory): Message {
  const kind = draw.int(10)
  if (kind === 0) return { bytes: draw.bytes(draw.size(2_000)), valid: false }
  const ask = drawAsk(draw, variant, memory)
  if (kind > 2) return ask
  const other = drawAsk(draw, draw.pick(['sotw', 'delta']), memory).bytes
  return { bytes: mutate(draw, ask.bytes, other), valid: false }
}

/** What any client begins with. */
export function drawFirst(draw: Draw, variant: Variant, memory: Memory): Message {
  memory.names = some(draw, OWN_NAMES, 3)
  memory.node = true
  return encode(variant, memory, { node: drawNode(draw) }, memory.names)
}

function drawAsk(draw: Draw, variant: Variant, memory: Memory): Message {
  const node = !memory.node || draw.chance(0.05) ? { node: drawNode(draw) } : {}
  memory.node = true
  const errorDetail = { code: draw.pick([13, 3, 0, -1]), message: draw.pick(TEXTS) }
  switch (draw.int(16)) {
    // An answer to the newest response, and the same twice.
    case 0:
    case 1:
    case 2:
    case 3:
      return encode(variant, memory, { ...node, responseNonce: newest(memory) })
    case 4:
    case 5:
      return encode(variant, memory, { ...node, responseNonce: newest(memory), errorDetail })
    // To an older one, to one of another stream, to none.
    case 6:
      return encode(variant, memory, { responseNonce: draw.pick(['', ...memory.nonces]) })
    case 7:
      return encode(variant, memory, { responseNonce: draw.pick(['', ...memory.olderNonces]) })
    case 8: {
      const responseNonce = draw.bytes(8).toString('hex')
      return encode(variant, memory, { responseNonce, ...(draw.chance(0.5) && { errorDetail }) })
    }
    // A version from nowhere: ahead, or behind.
    case 9:
      memory.version = draw.bytes(draw.size(40)).toString('hex')
      return encode(variant, memory, { ...node, responseNonce: newest(memory) })
    // Nothing any more, after something.
    case 10: {
      const given = memory.names
      memory.names = []
      return encode(variant, memory, { responseNonce: newest(memory) }, [], given)
    }
    case 11:
      return refused(draw, variant, memory)
    default: {
      const given = draw.chance(0.3) ? some(draw, NAMES, 4) : []
      const wanted = some(draw, NAMES, 6)
      memory.names = [...new Set([...memory.names, ...wanted])].filter(
        (name) => !given.some((each) => each === name),
      )
      return encode(variant, memory, { ...node, responseNonce: newest(memory) }, wanted, given)
    }
  }
}

/** What ends a stream, or is at the border of it. */
function refused(draw: Draw, variant: Variant, memory: Memory): Message {
  if (draw.chance(0.6)) return encode(variant, memory, {}, [draw.pick(NAMES), draw.pick(BAD_NAMES)])
  if (draw.chance(0.5)) return encode(variant, memory, { typeUrl: draw.pick(TYPE_URLS) })
  const many = Array.from({ length: draw.pick([255, 256, 257, 2_000]) }, (_, index) => `n-${index}`)
  return encode(variant, memory, {}, many)
}

interface Said {
  readonly node?: NonNullable<SotwAsk['node']>
  readonly typeUrl?: string
  readonly responseNonce?: string
  readonly errorDetail?: { readonly code: number; readonly message: string }
}

function encode(
  variant: Variant,
  memory: Memory,
  said: Said,
  wanted?: readonly string[],
  given: readonly string[] = [],
): Message {
  const common = { typeUrl: SECRET_TYPE_URL, ...said }
  const subscribe = (wanted ?? []).map(wellFormed)
  if (variant === 'delta') {
    const initial = said.node !== undefined && memory.version !== ''
    const ask: DeltaAsk = {
      ...common,
      resourceNamesSubscribe: subscribe,
      resourceNamesUnsubscribe: [...given],
      initialResourceVersions: initial ? { default: memory.version } : {},
    }
    const message = create(DeltaDiscoveryRequestSchema, ask)
    return { bytes: Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message)), valid: true }
  }
  const names = [...new Set([...memory.names, ...subscribe])]
  const message = create(DiscoveryRequestSchema, {
    ...common,
    resourceNames: names,
    versionInfo: memory.version,
  })
  return { bytes: Buffer.from(toBinary(DiscoveryRequestSchema, message)), valid: true }
}

/** The encoder of protobuf does not write what is no Unicode; mutation makes such names. */
function wellFormed(name: string): string {
  return name.toWellFormed()
}

/** Up to the 61 KB that an Envoy says of itself. */
function drawNode(draw: Draw): NonNullable<SotwAsk['node']> {
  const clientFeatures = Array.from({ length: draw.size(800) }, (_, index) =>
    `envoy.lrs.supports_something.${index}`.padEnd(75, '.'),
  )
  return {
    id: draw.pick(['fuzz', '', '\n\u001b[31m', 'i'.repeat(300)]),
    cluster: 'fuzz',
    userAgentName: 'envoy',
    userAgentVersionType: {
      case: 'userAgentBuildVersion',
      value: { version: { majorNumber: draw.int(3), minorNumber: draw.int(60), patch: 0 } },
    },
    clientFeatures,
  }
}

const newest = (memory: Memory): string => memory.nonces.at(-1) ?? ''

function some<T>(draw: Draw, from: readonly [T, ...T[]], most: number): T[] {
  return [...new Set(Array.from({ length: 1 + draw.int(most) }, () => draw.pick(from)))]
}
