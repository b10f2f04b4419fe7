/** SDS without a socket: callers, identities and bundles are a test's, calls are made by hand. */
import { EventEmitter } from 'node:events'
import { create, fromBinary } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Server, StatusObject } from '@grpc/grpc-js'
import { SecretSchema } from '../../../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import type { Secret } from '../../../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from '../../../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import type { Caller } from '../../../../src/agent/match/caller.ts'
import { createGrants } from '../../../../src/agent/serve/grant/grants.ts'
import { createQuarantine } from '../../../../src/agent/serve/quarantine.ts'
import { createResponseEncoder } from '../../../../src/agent/serve/responses.ts'
import type { Sds, SdsOptions } from '../../../../src/agent/serve/sds.ts'
import { createSds } from '../../../../src/agent/serve/sds.ts'
import { createSecrets } from '../../../../src/agent/serve/secrets.ts'
import type { Bundles } from '../../../../src/agent/serve/secrets.ts'
import { codeOf } from '../../../../src/runtime/errors.ts'
import { createFeed } from '../../../../src/runtime/feed.ts'
import type { MutableFeed } from '../../../../src/runtime/feed.ts'
import type { Bundle } from '../../../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import type { Encoded } from '../../../../src/wire/service.ts'
import { SECRET_TYPE_URL } from '../../../../src/xds/resource.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import type { ManualClock } from '../../../fakes/clock.ts'
import { createFakeCaller } from '../../../fakes/caller.ts'
import type { FakeCaller } from '../../../fakes/caller.ts'
import { createFakeIdentities } from '../../../fakes/identities.ts'
import type { FakeIdentities } from '../../../fakes/identities.ts'

export const OWN = 'example.org' as TrustDomain
export const ACK_DEADLINE_MS = 10_000

export function bundleOf(trustDomain: TrustDomain, ...labels: readonly string[]): Bundle {
  const x509Authorities = labels.map((label) => Buffer.from(label))
  return { trustDomain, x509Authorities, jwtAuthorities: [] }
}

export const bundlesOf = (...bundles: readonly Bundle[]): Bundles =>
  new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]))

export type Ask = MessageInitShape<typeof DeltaDiscoveryRequestSchema>

export interface Response {
  readonly nonce: string
  /** The chains or trusted certificates of what was sent, as the text they were made of. */
  readonly said: readonly string[]
  readonly secrets: readonly Secret[]
  readonly removed: readonly string[]
}

/** One open DeltaSecrets call as the service sees it. */
export class FakeCall extends EventEmitter {
  readonly responses: Response[] = []
  ended = false
  /** What the server ended it with. */
  status: StatusObject | undefined
  /** While true, what is written does not leave. */
  blocked = false
  #unsent: (() => void)[] = []

  constructor() {
    super()
    this.on('error', (status: StatusObject) => (this.status = status))
  }

  write(encoded: Encoded, sent: () => void): boolean {
    this.responses.push(readResponse(encoded.bytes))
    this.#unsent.push(sent)
    if (!this.blocked) this.flush()
    return true
  }

  flush(): void {
    const all = this.#unsent
    this.#unsent = []
    for (const sent of all) sent()
  }

  end(): void {
    this.ended = true
  }

  say(ask: Ask): void {
    const request = create(DeltaDiscoveryRequestSchema, { typeUrl: SECRET_TYPE_URL, ...ask })
    this.emit('data', request)
  }

  /** Acknowledges what came last. */
  ack(): void {
    this.say({ responseNonce: this.responses.at(-1)?.nonce ?? '' })
  }

  nack(message: string): void {
    const responseNonce = this.responses.at(-1)?.nonce ?? ''
    this.say({ responseNonce, errorDetail: { code: 13, message } })
  }

  /** What all responses said, in order. */
  get said(): readonly string[] {
    return this.responses.flatMap(({ said, removed }) => [
      ...said,
      ...removed.map((name) => `removed ${name}`),
    ])
  }
}

function readResponse(bytes: Uint8Array): Response {
  const response = fromBinary(DeltaDiscoveryResponseSchema, bytes)
  const secrets = response.resources.map(({ resource }) =>
    fromBinary(SecretSchema, resource?.value ?? new Uint8Array()),
  )
  const { nonce, removedResources } = response
  return { nonce, secrets, said: secrets.map(textOf), removed: removedResources }
}

/** The text a fake certificate was made of: the last line of PEM that is no label, decoded. */
function textOf({ type }: Secret): string {
  const source =
    type.case === 'tlsCertificate'
      ? type.value.certificateChain
      : type.case === 'validationContext'
        ? type.value.trustedCa
        : undefined
  const { specifier } = source ?? { specifier: undefined }
  if (specifier?.case !== 'inlineBytes') return type.case ?? 'nothing'
  const lines = Buffer.from(specifier.value).toString().split('\n')
  return Buffer.from(lines.filter((line) => !line.startsWith('-')).join(''), 'base64').toString()
}

export interface Setting {
  readonly clock: ManualClock
  readonly identities: FakeIdentities
  readonly bundles: MutableFeed<Bundles>
  readonly sds: Sds
  readonly events: string[]
  /** Opens a stream of a caller, who is uid 1001 and matches nothing unless another is given. */
  open(caller?: Caller): FakeCall
  readonly caller: FakeCaller
}

export function setUp(change: Partial<SdsOptions> = {}): Setting {
  const clock = createManualClock()
  const identities = createFakeIdentities()
  const bundles = createFeed(bundlesOf(bundleOf(OWN, 'root')))
  const caller = createFakeCaller()
  const callers = new Map<unknown, Caller>()
  const events: string[] = []
  let nonces = 0
  const sds = createSds({
    callerOf: (call) => callers.get(call) ?? caller,
    grants: createGrants({ identities, bundles }),
    bundles,
    secrets: createSecrets(),
    quarantine: createQuarantine(),
    policy: {
      reserved: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
      aliases: new Map(),
      trustDomain: OWN,
      unregisteredBundles: false,
    },
    clock,
    nonce: () => `n${++nonces}`,
    encoder: createResponseEncoder('test'),
    observer: {
      opened: () => void events.push('opened'),
      closed: () => void events.push('closed'),
      pushed: (_, { name }, sinceOpenMs) =>
        void events.push(`pushed ${name}${sinceOpenMs === undefined ? '' : ' first'}`),
      noted: (_, { type }, answerMs) =>
        void events.push(answerMs === undefined ? type : `${type} after ${answerMs}`),
      refused: (_, error) => void events.push(`refused ${codeOf(error)}`),
      fetched: () => undefined,
      fetchRefused: () => undefined,
    },
    namesPerStream: 4,
    ackDeadlineMs: ACK_DEADLINE_MS,
    validator: 'trusted-ca',
    unauthorized: 'wait',
    ...change,
  })
  const services: Record<string, (call: FakeCall) => void>[] = []
  const server = {
    addService: (_: unknown, implementation: unknown) =>
      void services.push(implementation as Record<string, (call: FakeCall) => void>),
  }
  sds.addTo(server as unknown as Server)
  return {
    clock,
    identities,
    bundles,
    sds,
    events,
    caller,
    open(of = caller) {
      const call = new FakeCall()
      callers.set(call, of)
      services[0]?.['DeltaSecrets']?.(call)
      return call
    },
  }
}
