/** spindle.server.v1.AuthorityRotation: the four steps of a rotation in one call, which may be made again where it ended. */
import { create } from '@bufbuild/protobuf'
import type { ServerWritableStream } from '@grpc/grpc-js'
import {
  AuthorityKind,
  AuthorityRotation,
  RotateProgressSchema,
} from '#spindle/server/v1/rotation_pb.js'
import type { RotateProgress, RotateRequest } from '#spindle/server/v1/rotation_pb.js'
import { codeOf, SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { serviceDefinition } from '../../../wire/service.ts'
import { statusOf, WordedStatus } from '../../../wire/status.ts'
import { auditCaller } from '../../admit/peer.ts'
import { createSteps } from '../localauthority/steps.ts'
import type { ApiService, Asked, Faulted, Way } from '../service.ts'
import { refused } from '../worded.ts'
import { toGo } from './plan.ts'
import { walk } from './walk.ts'
import type { Kind, Progress, RotationParts } from './walk.ts'

type Call = Pick<
  ServerWritableStream<RotateRequest, RotateProgress>,
  'request' | 'write' | 'emit' | 'end' | 'on' | 'getAuthContext'
>

const METHOD = `/${AuthorityRotation.typeName}/${AuthorityRotation.method.rotate.name}`
const KINDS: ReadonlyMap<AuthorityKind, Kind> = new Map([
  [AuthorityKind.X509, 'x509'],
  [AuthorityKind.JWT, 'jwt'],
])
/** A rotation that nobody went on with for this long is not the one that is meant. */
const REMEMBERED_MS = 60 * 60_000

/** A rotation that was begun: which authorities it is to end. */
interface Begun {
  readonly going: ReadonlySet<string>
  at: number
}

export function createRotationService(
  parts: RotationParts & { readonly faulted: Faulted },
): ApiService {
  const begun = new Map<Kind, Begun>()
  const running = new Map<
    Kind,
    { readonly ending: AbortController; readonly done: Promise<void> }
  >()
  let stopped: string | undefined

  const rotate = async (call: Call, asked: Asked, kind: Kind): Promise<void> => {
    if (stopped !== undefined) throw new SpindleError('not_ready', stopped)
    const before = running.get(kind)
    if (before?.ending.signal.aborted === false)
      throw refused(status.ABORTED, 'another call rotates this authority')
    const ending = new AbortController()
    // One whose client has gone is at the end of a step.
    const done = (before?.done ?? Promise.resolve()).then(() =>
      take(call, { asked, kind, signal: ending.signal }),
    )
    const mine = { ending, done: done.catch(() => undefined) }
    running.set(kind, mine)
    for (const end of ['cancelled', 'error', 'close'] as const) call.on(end, () => ending.abort())
    try {
      await done
    } finally {
      if (running.get(kind) === mine) running.delete(kind)
    }
  }

  const take = async (
    call: Call,
    by: { readonly asked: Asked; readonly kind: Kind; readonly signal: AbortSignal },
  ): Promise<void> => {
    const { kind, signal } = by
    const { going } = goOn(kind)
    const steps = createSteps(kind, parts)
    const withdraws = await steps.withdraws()
    const way = { ...by, steps, going, withdraws, request: call.request }
    for await (const progress of walk(parts, way)) {
      remember(kind, going)
      await written(call, progress, signal)
      if (signal.aborted) break
    }
    if (!signal.aborted) begun.delete(kind)
    else if (stopped !== undefined) throw new SpindleError('not_ready', stopped)
  }

  const slotsOf = (kind: Kind) => parts.issuing[kind].state.current.slots
  const remember = (kind: Kind, going: ReadonlySet<string>): void =>
    void begun.set(kind, { going, at: parts.clock.monotonic() })
  const goOn = (kind: Kind): { readonly going: ReadonlySet<string> } => {
    const before = begun.get(kind)
    const isFresh = before !== undefined && parts.clock.monotonic() - before.at < REMEMBERED_MS
    const isLeft = slotsOf(kind).some(({ authorityId }) => before?.going.has(authorityId))
    return isFresh && isLeft ? before : { going: toGo(slotsOf(kind)) }
  }

  return {
    addTo(way: Way) {
      way.server.addService(serviceDefinition(AuthorityRotation), {
        Rotate(call: Call) {
          const peer = way.peerOf(call)
          const asked = { peer, caller: auditCaller(peer), method: METHOD }
          const kind = KINDS.get(call.request.kind)
          const done =
            kind === undefined
              ? Promise.reject(new SpindleError('request_invalid', 'kind is neither X509 nor JWT'))
              : rotate(call, asked, kind)
          done.then(
            () => call.end(),
            (thrown: unknown) => {
              const isFault = codeOf(thrown) === 'internal' && !(thrown instanceof WordedStatus)
              if (isFault) parts.faulted(METHOD, thrown)
              call.emit('error', statusOf(thrown))
            },
          )
        },
      })
    },
    endStreams(why) {
      stopped = why
      for (const { ending } of running.values()) ending.abort()
    },
  }
}

/** Resolves when it has left, so that a client that does not read is not told more than it takes. */
function written(call: Call, progress: Progress, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    call.write(create(RotateProgressSchema, progress), () => resolve())
  })
}
