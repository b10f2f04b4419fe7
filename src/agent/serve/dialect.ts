/** SotW and Delta: what differs between the two methods of the service, so that one stream adapter serves both. */
import type { Node } from '#envoy/config/core/v3/base_pb.js'
import type {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from '#envoy/service/discovery/v3/discovery_pb.js'
import { shownText } from '../../runtime/shown-text.ts'
import type { NodeFacts } from '../../xds/flavour.ts'
import type { DeltaRequest, DeltaResponse, SotwRequest, SotwResponse } from '../../xds/message.ts'
import type { Resource } from '../../xds/resource.ts'
import type { Step, StreamContext, StreamEvent } from '../../xds/stream.ts'
import { initialDelta, initialSotw, stepDelta, stepSotw } from '../../xds/stream.ts'
import type { StreamState } from '../../xds/subscription.ts'
import type { ResponseEncoder } from './responses.ts'

export type Variant = 'sotw' | 'delta'

/** What is shown of a node to people. */
export interface NodeDescription {
  readonly id: string
  readonly cluster: string
  /** Such as `1.40.0`; '' where the client does not say. */
  readonly envoyVersion: string
}

interface Response {
  readonly nonce: string
  readonly resources: readonly Resource[]
}

export interface Dialect<Message, Request, Sent extends Response> {
  readonly variant: Variant
  readonly initial: () => StreamState
  readonly step: (
    state: StreamState,
    event: StreamEvent<Request>,
    context: StreamContext,
  ) => Step<StreamState, Sent>
  readonly read: (message: Message) => Request
  readonly nodeOf: (message: Message) => Node | undefined
  readonly encode: (encoder: ResponseEncoder, response: Sent) => Buffer
}

export const SOTW: Dialect<DiscoveryRequest, SotwRequest, SotwResponse> = {
  variant: 'sotw',
  initial: initialSotw,
  step: stepSotw,
  read: readSotw,
  nodeOf: (message) => message.node,
  encode: (encoder, response) => encoder.sotw(response),
}

export const DELTA: Dialect<DeltaDiscoveryRequest, DeltaRequest, DeltaResponse> = {
  variant: 'delta',
  initial: initialDelta,
  step: stepDelta,
  read: (message) => ({
    subscribe: message.resourceNamesSubscribe,
    unsubscribe: message.resourceNamesUnsubscribe,
    initialResourceVersions: message.initialResourceVersions,
    responseNonce: message.responseNonce,
    typeUrl: message.typeUrl,
    error: message.errorDetail,
  }),
  nodeOf: (message) => message.node,
  encode: (encoder, response) => encoder.delta(response),
}

export function readSotw(message: DiscoveryRequest): SotwRequest {
  return {
    names: message.resourceNames,
    versionInfo: message.versionInfo,
    responseNonce: message.responseNonce,
    typeUrl: message.typeUrl,
    error: message.errorDetail,
  }
}

export function nodeFacts(node: Node | undefined): NodeFacts {
  const build = node?.userAgentVersionType
  const version = build?.case === 'userAgentBuildVersion' ? build.value.version : undefined
  return {
    version: version && { major: version.majorNumber, minor: version.minorNumber },
    metadata: node?.metadata,
  }
}

const SHOWN_CHARACTERS = 128

export function describeNode(node: Node | undefined): NodeDescription {
  const build = node?.userAgentVersionType
  const version = build?.case === 'userAgentBuildVersion' ? build.value.version : undefined
  return {
    id: shownText(node?.id ?? '', SHOWN_CHARACTERS),
    cluster: shownText(node?.cluster ?? '', SHOWN_CHARACTERS),
    envoyVersion:
      version === undefined ? '' : `${version.majorNumber}.${version.minorNumber}.${version.patch}`,
  }
}
