/** The Workload API without a socket: callers, identities, bundles and tokens are a test's, calls are made by hand. */
import { fromBinary } from '@bufbuild/protobuf'
import type { StatusObject } from '@grpc/grpc-js'
import { methodsOf, HandCall } from '../hand-call.ts'
import { OWN, bundleOf, bundlesOf } from '../setting.ts'
import type { IssuedJwtSvid } from '../../../../../src/authority/jwt/jwt-authority.ts'
import type { Caller } from '../../../../../src/agent/match/caller.ts'
import type { JwtSvids } from '../../../../../src/agent/obtain/jwt-svids.ts'
import { createGrants } from '../../../../../src/agent/serve/grant/grants.ts'
import type { WorkloadOptions } from '../../../../../src/agent/serve/workload/service.ts'
import { createWorkload } from '../../../../../src/agent/serve/workload/service.ts'
import type { StreamRpc } from '../../../../../src/agent/serve/workload/stream.ts'
import {
  JWTBundlesResponseSchema,
  JWTSVIDResponseSchema,
  ValidateJWTSVIDResponseSchema,
  X509BundlesResponseSchema,
  X509SVIDResponseSchema,
} from '../../../../../src/gen/spiffe/workload/workload_pb.js'
import { codeOf } from '../../../../../src/runtime/errors.ts'
import { createFeed } from '../../../../../src/runtime/feed.ts'
import type { Bundle } from '../../../../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../../../../src/spiffe/spiffe-id.ts'
import type { Encoded } from '../../../../../src/wire/service.ts'
import { createFakeCaller } from '../../../../fakes/caller.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { createFakeIdentities } from '../../../../fakes/identities.ts'

export const PARTNER = 'partner.test' as TrustDomain

/** A bundle whose certificates and keys for JWT-SVIDs are their labels. */
export function wholeBundle(trustDomain: TrustDomain, ...labels: readonly string[]): Bundle {
  const jwtAuthorities = labels.map((kid) => ({ kty: 'EC', use: 'jwt-svid', kid }))
  return { ...bundleOf(trustDomain, ...labels), jwtAuthorities }
}

/** What a message says, in a line for each identity and each bundle. */
function said(rpc: StreamRpc, bytes: Uint8Array): readonly string[] {
  switch (rpc) {
    case 'FetchX509SVID': {
      const { svids, federatedBundles } = fromBinary(X509SVIDResponseSchema, bytes)
      return [
        ...svids.map(({ spiffeId, x509Svid, x509SvidKey, bundle, hint }) =>
          [spiffeId, textOf(x509Svid), textOf(x509SvidKey), textOf(bundle), hint].join(' ').trim(),
        ),
        ...linesOf(federatedBundles),
      ]
    }
    case 'FetchX509Bundles':
      return linesOf(fromBinary(X509BundlesResponseSchema, bytes).bundles)
    case 'FetchJWTBundles':
      return linesOf(fromBinary(JWTBundlesResponseSchema, bytes).bundles)
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

const linesOf = (bundles: Readonly<Record<string, Uint8Array>>): string[] =>
  Object.entries(bundles).map(([id, bytes]) => `${id} ${textOf(bytes)}`)

export class StreamCall extends HandCall<unknown, Encoded> {
  readonly rpc: StreamRpc

  constructor(rpc: StreamRpc) {
    super({})
    this.rpc = rpc
  }

  /** Message by message. */
  get said(): readonly (readonly string[])[] {
    return this.written.map(({ bytes }) => said(this.rpc, bytes))
  }
}

export interface FakeJwtSvids extends Pick<JwtSvids, 'fetch'> {
  /** Before a token is given. */
  onFetch: () => Promise<void>
  readonly fetched: string[]
}

function createFakeJwtSvids(): FakeJwtSvids {
  const issued = new Map<string, IssuedJwtSvid>()
  return {
    onFetch: async () => undefined,
    fetched: [],
    async fetch({ id, spiffeId }, audience) {
      const token = `${spiffeId} for ${audience.join(' and ')}`
      this.fetched.push(token)
      await this.onFetch()
      const known = issued.get(`${id} ${token}`)
      const svid = known ?? { token, issuedAt: 0, expiresAt: 2 ** 45, authorityId: 'a' }
      issued.set(`${id} ${token}`, svid)
      return svid
    },
  }
}

export function setUp(change: Partial<WorkloadOptions> = {}) {
  const clock = createManualClock()
  const identities = createFakeIdentities()
  const jwtSvids = createFakeJwtSvids()
  const bundles = createFeed(bundlesOf(wholeBundle(OWN, 'root')))
  const grants = createGrants({ identities, bundles })
  const caller = createFakeCaller()
  const callers = new Map<unknown, Caller>()
  const events: string[] = []
  const workload = createWorkload({
    clock,
    grants,
    bundles,
    trustDomain: OWN,
    unregisteredBundles: false,
    foreignJwtClaims: [],
    jwtSvids,
    callerOf: (call) => callers.get(call) ?? caller,
    observer: {
      opened: ({ rpc }) => void events.push(`opened ${rpc}`),
      closed: ({ rpc }, error) =>
        void events.push(`closed ${rpc}${error === undefined ? '' : ` ${codeOf(error)}`}`),
      sent: ({ rpc }, _, sinceOpenMs) =>
        void events.push(`sent ${rpc}${sinceOpenMs === undefined ? '' : ` after ${sinceOpenMs}`}`),
      answered: (rpc, { error }) =>
        void events.push(`answered ${rpc}${error === undefined ? '' : ` ${codeOf(error)}`}`),
    },
    ...change,
  })
  const methods = methodsOf(workload)
  const ask = (rpc: string, request: unknown, change: (call: HandCall<unknown, never>) => void) => {
    const call = new HandCall<unknown, never>(request)
    change(call)
    return new Promise<Encoded>((resolve, reject) => {
      methods.get(`/SpiffeWorkloadAPI/${rpc}`)?.(
        call,
        (failure: StatusObject | null, answer: Encoded) =>
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
          failure === null ? resolve(answer) : reject(failure),
      )
    })
  }
  const none = (): void => undefined
  return {
    clock,
    identities,
    jwtSvids,
    bundles,
    grants,
    caller,
    workload,
    events,
    /** Opens a stream of a caller, who is uid 1001 and matches nothing unless another is given. */
    open(
      rpc: StreamRpc,
      of: Caller = caller,
      change: (call: StreamCall) => void = none,
    ): StreamCall {
      const call = new StreamCall(rpc)
      callers.set(call, of)
      change(call)
      methods.get(`/SpiffeWorkloadAPI/${rpc}`)?.(call)
      return call
    },
    /** The SPIFFE IDs, tokens and hints of the answer. */
    async fetchJwt(
      audience: readonly string[],
      spiffeId = '',
      change: (call: HandCall<unknown, never>) => void = none,
    ): Promise<readonly string[]> {
      const { bytes } = await ask('FetchJWTSVID', { audience, spiffeId }, change)
      return fromBinary(JWTSVIDResponseSchema, bytes).svids.map((each) =>
        `${each.svid} ${each.hint}`.trim(),
      )
    },
    async validate(audience: string, svid: string) {
      const { bytes } = await ask('ValidateJWTSVID', { audience, svid }, none)
      return fromBinary(ValidateJWTSVIDResponseSchema, bytes)
    },
  }
}
