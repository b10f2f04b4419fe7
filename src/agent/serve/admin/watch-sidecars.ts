/** WatchSidecars: what the sidecars hold, pushed on change; one look for all who watch, and no queue for any of them. */
import { create, toBinary } from '@bufbuild/protobuf'
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Sidecar, WatchSidecarsRequest } from '#spindle/admin/v1/admin_pb.js'
import { WatchSidecarsResponseSchema } from '#spindle/admin/v1/admin_pb.js'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { Encoded } from '../../../wire/service.ts'
import { statusOf } from '../../../wire/status.ts'

export type WatchCall = Pick<
  ServerWritableStream<WatchSidecarsRequest, Encoded>,
  'write' | 'emit' | 'on'
>

export interface SidecarWatch {
  /** Sends what there is now, and each change from then on. */
  add(call: WatchCall): void
  /** Ends every call: the agent is going. */
  close(): void
}

export interface SidecarWatchOptions {
  readonly list: () => Sidecar[]
  /** Calls `listen` after each turn in which what the sidecars hold may have changed. */
  readonly onProgress: (listen: () => void) => () => void
  readonly clock: Clock
}

/** From one look to the next: four a second. */
const PAUSE_MS = 250
/** A look at very many sidecars takes its time; watching takes at most a tenth of the agent's. */
const PAUSES_A_LOOK = 9

/** Who watches: what is on its way to it, and what it was sent last. */
interface Watcher {
  sent: Buffer | undefined
  writing: boolean
}

export function createSidecarWatch({ list, onProgress, clock }: SidecarWatchOptions): SidecarWatch {
  const watchers = new Map<WatchCall, Watcher>()
  let latest: Buffer | undefined
  let pause: Timer | undefined
  let changed = false
  let stopListening: (() => void) | undefined

  const look = (): void => {
    const start = clock.monotonic()
    const bytes = toBinary(
      WatchSidecarsResponseSchema,
      create(WatchSidecarsResponseSchema, { sidecars: list() }),
    )
    latest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    changed = false
    const tookMs = clock.monotonic() - start
    pause = clock.after(Math.max(PAUSE_MS, tookMs * PAUSES_A_LOOK), () => {
      pause = undefined
      if (changed) look()
    })
    for (const [call, watcher] of watchers) send(call, watcher)
  }
  const send = (call: WatchCall, watcher: Watcher): void => {
    if (watcher.writing || latest === undefined || watcher.sent?.equals(latest) === true) return
    watcher.writing = true
    watcher.sent = latest
    call.write(new Encoded(latest), () => {
      watcher.writing = false
      // What changed while it read: only the newest of it.
      if (watchers.has(call)) send(call, watcher)
    })
  }
  const drop = (call: WatchCall): void => {
    watchers.delete(call)
    if (watchers.size > 0) return
    stopListening?.()
    stopListening = undefined
    pause?.cancel()
    pause = undefined
    latest = undefined
    changed = false
  }

  return {
    add(call) {
      const watcher: Watcher = { sent: undefined, writing: false }
      watchers.set(call, watcher)
      for (const end of ['cancelled', 'error', 'close'] as const) call.on(end, () => drop(call))
      stopListening ??= onProgress(() => {
        changed = true
        if (pause === undefined) look()
      })
      if (pause === undefined) look()
      else send(call, watcher)
    },
    close() {
      const ended = statusOf(new SpindleError('not_ready', 'the agent is shutting down'))
      for (const call of Array.from(watchers.keys())) {
        drop(call)
        call.emit('error', ended)
      }
    },
  }
}
