/** `spindle.admin.v1` on the admin socket: what an operator sees and asks of one agent. */
import type { DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import type { Server, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import type { GetStatusResponse, Sidecar } from '#spindle/admin/v1/admin_pb.js'
import {
  AdminService,
  GetAuthorityResponseSchema,
  ListBundlesResponseSchema,
  ListSidecarsResponseSchema,
  ListWorkloadsResponseSchema,
  ReloadResponseSchema,
  RenewIdentitiesResponseSchema,
  RotateAuthorityResponseSchema,
} from '#spindle/admin/v1/admin_pb.js'
import type { X509Authority } from '../../authority/authority.ts'
import type { JwtAuthority } from '../../authority/jwt/jwt-authority.ts'
import type { Clock } from '../../runtime/clock.ts'
import { codeOf, SpindleError } from '../../runtime/errors.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import { serviceDefinition } from '../../wire/service.ts'
import { statusOf } from '../../wire/status.ts'
import type { SourceState } from '../match/source.ts'
import type { Identities } from '../obtain/identities.ts'
import type { ExplainParts } from './admin/explain.ts'
import { explain } from './admin/explain.ts'
import type { WatchCall } from './admin/watch-sidecars.ts'
import { createSidecarWatch } from './admin/watch-sidecars.ts'
import {
  describeAuthority,
  describeBundle,
  describeJwtRotation,
  describeSidecar,
  describeSource,
} from './describe.ts'
import { rotateAuthority, rotateJwtKey } from './admin/rotation.ts'
import type { Sds } from './sds.ts'
import type { Bundles } from './secrets.ts'
import { describeWorkload } from './admin/workloads.ts'
import type { Workload } from './workload/service.ts'

export interface AdminParts {
  readonly status: () => Promise<GetStatusResponse>
  readonly sds: Sds
  readonly workload: Workload
  readonly identities: Identities
  readonly authority: X509Authority
  readonly jwtAuthority: JwtAuthority
  readonly authorityKind: string
  readonly bundles: Feed<Bundles>
  readonly trustDomain: TrustDomain
  readonly sources: () => readonly SourceState[]
  readonly reload: () => Promise<void>
  readonly explaining: () => ExplainParts
  readonly clock: Clock
  /** How long a rotation waits for sidecars to take the new bundle. */
  readonly publishMs: number
  /** Told of what nobody raised on purpose, of which the caller is only told that it happened. */
  readonly faulted: (method: string, thrown: unknown) => void
}

/** @returns what ends the calls that have no end of their own */
export function addAdminService(server: Server, parts: AdminParts): () => void {
  const { method } = AdminService
  const unary = unaryCalls(parts.faulted)
  const watch = createSidecarWatch({
    list: () => sidecarsOf(parts.sds),
    onProgress: (listen) => parts.sds.onProgress(listen),
    clock: parts.clock,
  })
  let rotating: Promise<unknown> = Promise.resolve()
  const definition = serviceDefinition(AdminService)
  const implementation = {
    [method.getStatus.name]: unary(method.getStatus, () => parts.status()),
    [method.listSidecars.name]: unary(method.listSidecars, () =>
      create(ListSidecarsResponseSchema, { sidecars: sidecarsOf(parts.sds) }),
    ),
    [method.watchSidecars.name]: (call: WatchCall) => watch.add(call),
    [method.listWorkloads.name]: unary(method.listWorkloads, () =>
      create(ListWorkloadsResponseSchema, {
        workloads: [...parts.workload.uses].map(([caller, uses]) => describeWorkload(caller, uses)),
      }),
    ),
    [method.explain.name]: unary(method.explain, ({ pid, name }) =>
      explain(parts.explaining(), { pid, name }),
    ),
    [method.getAuthority.name]: unary(method.getAuthority, () =>
      create(
        GetAuthorityResponseSchema,
        describeAuthority(
          parts.authorityKind,
          parts.authority.state.current,
          parts.jwtAuthority.state.current,
        ),
      ),
    ),
    [method.listBundles.name]: unary(method.listBundles, () => listBundles(parts)),
    [method.rotateAuthority.name]: unary(method.rotateAuthority, async ({ jwt, now }) => {
      if (now && !jwt) throw new SpindleError('request_invalid', 'now: is for the JWT key alone')
      // One at a time: the second begins from what the first has made.
      const mine = rotating.then(async () =>
        jwt
          ? describeJwtRotation(await rotateJwtKey(parts.jwtAuthority, now))
          : create(RotateAuthorityResponseSchema, await rotateAuthority(parts)),
      )
      rotating = mine.catch(() => undefined)
      return mine
    }),
    [method.renewIdentities.name]: unary(method.renewIdentities, async ({ spiffeId }) =>
      create(RenewIdentitiesResponseSchema, {
        renewed: await parts.identities.renewAll(
          spiffeId === '' ? undefined : (identity) => identity.entry.spiffeId === spiffeId,
        ),
      }),
    ),
    [method.reload.name]: unary(method.reload, async () => {
      await parts.reload()
      return create(ReloadResponseSchema, { sources: parts.sources().map(describeSource) })
    }),
  }
  server.addService(definition, implementation)
  return () => watch.close()
}

type Unary = <M extends DescMethodUnary>(
  method: M,
  answer: (
    request: MessageShape<M['input']>,
  ) => MessageShape<M['output']> | Promise<MessageShape<M['output']>>,
) => (
  call: ServerUnaryCall<MessageShape<M['input']>, MessageShape<M['output']>>,
  done: sendUnaryData<MessageShape<M['output']>>,
) => void

function unaryCalls(faulted: AdminParts['faulted']): Unary {
  return (method, answer) => (call, done) => {
    Promise.resolve(call.request)
      .then(answer)
      .then(
        (value) => done(null, value),
        (thrown: unknown) => {
          if (codeOf(thrown) === 'internal') faulted(method.name, thrown)
          done(statusOf(thrown))
        },
      )
  }
}

function sidecarsOf(sds: Sds): Sidecar[] {
  const byCaller = Map.groupBy(sds.streams, (stream) => stream.sidecar)
  return [...byCaller].map(([sidecar, streams]) => describeSidecar(sidecar, streams))
}

function listBundles({ bundles, trustDomain, sources }: AdminParts) {
  const faults = new Map(sources().map((source) => [source.name, source.fault]))
  return create(ListBundlesResponseSchema, {
    bundles: [...bundles.current.values()].map((bundle) =>
      describeBundle(
        bundle,
        bundle.trustDomain === trustDomain,
        faults.get(`bundle ${bundle.trustDomain}`) ?? '',
      ),
    ),
  })
}
