/** FetchSecrets: one question of a caller and one answer, which waits a moment for what is on its way. */
import type { ServerUnaryCall } from '@grpc/grpc-js'
import type { Caller } from '../match/caller.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError, codeOf } from '../../runtime/errors.ts'
import { checkFetch, fetchSecrets } from '../../xds/fetch.ts'
import type { SotwRequest, SotwResponse } from '../../xds/message.ts'
import type { View } from '../../xds/resource.ts'
import type { StreamContext } from '../../xds/stream.ts'
import { isWildcard } from '../../xds/subscription.ts'
import type { Sidecar } from './sidecar.ts'
import { refusal } from './stream.ts'

export interface FetchOptions {
  readonly clock: Clock
  readonly nonce: () => string
  readonly namesPerStream: number
  readonly unauthorized: 'wait' | 'close'
}

export interface FetchCall {
  readonly request: SotwRequest
  readonly sidecar: Sidecar
  readonly view: View
  /** When the client gives up: ms since the epoch, or Infinity. */
  readonly deadline: number
  readonly client: Client
}

/** Tells when the client has gone: a grpc-js call. */
export type Client = Pick<
  ServerUnaryCall<unknown, unknown>,
  'cancelled' | 'once' | 'removeListener'
>

/** It cannot be held open as a stream is: what is not there after this is not there. */
const WAIT_MS = 5_000
/** For the answer to reach the client before it gives up. */
const MARGIN_MS = 250

/**
 * @throws SpindleError `request_invalid`, `limit_reached`; `not_found` where the caller has none of the names, `not_ready`
 *   where that cannot be said yet; `peer_gone`
 */
export async function fetchWhatIsThere(
  call: FetchCall,
  options: FetchOptions,
): Promise<SotwResponse> {
  const { request, sidecar, view } = call
  const { clock, nonce, namesPerStream } = options
  const context: StreamContext = { view, nonce, limits: { namesPerStream } }
  checkFetch(request, context.limits)
  const wait = Math.max(0, Math.min(WAIT_MS, call.deadline - MARGIN_MS - clock.now()))
  const until = clock.monotonic() + wait
  // The process may have executed another program while it waited: it is looked at before each answer.
  while (isThere(sidecar.caller) && isWaiting(request, call)) {
    const leftMs = until - clock.monotonic()
    if (leftMs <= 0 || call.client.cancelled) break
    await changed(call, { clock, leftMs })
  }
  if (options.unauthorized === 'close') {
    const unauthorized = refusal(request.names, view)
    if (unauthorized !== undefined) throw unauthorized
  }
  try {
    return fetchSecrets(request, context)
  } catch (thrown) {
    const { undecided } = sidecar.caller.state.current
    if (undecided === undefined || codeOf(thrown) !== 'not_found') throw thrown
    throw new SpindleError('not_ready', `it cannot be said yet what the caller has: ${undecided}`)
  }
}

function isThere(caller: Caller): true {
  if (caller.check()) return true
  throw new SpindleError('peer_gone', 'the calling process has ended')
}

/** True while something that was asked for may still come. */
function isWaiting({ names }: SotwRequest, { view, sidecar }: FetchCall): boolean {
  const isPending = (name: string): boolean => view.resolve(name).state === 'pending'
  if (names.length > 0 && !names.some(isWildcard)) return names.some(isPending)
  const { undecided } = sidecar.caller.state.current
  return undecided !== undefined || [...names, ...view.all].some(isPending)
}

/** Resolves at the next change of what the sidecar may have, after `leftMs`, or when the client has gone. */
function changed(
  { sidecar, client }: FetchCall,
  { clock, leftMs }: { readonly clock: Clock; readonly leftMs: number },
): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      sidecar.followers.delete(follower)
      client.removeListener('cancelled', finish)
      timer.cancel()
      resolve()
    }
    const follower = { changed: finish }
    const timer = clock.after(leftMs, finish)
    client.once('cancelled', finish)
    sidecar.followers.add(follower)
  })
}
