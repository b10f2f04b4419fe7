/** Callers of another uid: processes that hold one stream each, acknowledge what comes and tell of it. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { eventually } from './rig.ts'

/** What came on the stream, in order. */
export interface Told {
  readonly name: string
  /** '' for a bundle or a removal. */
  readonly spiffeId: string
  readonly serial: string
}

export interface UidCaller {
  readonly pid: number
  readonly told: readonly Told[]
  /** `code details` of the status the stream ended with; undefined while it is open. */
  readonly ended: string | undefined
  /** The next thing told that was not returned before. */
  next(withinMs?: number): Promise<Told>
  stop(): Promise<void>
}

/** Follows `names` over Delta as `uid`. */
export async function startUidCaller(
  socket: string,
  uid: number,
  names: readonly string[],
): Promise<UidCaller> {
  const script = join(import.meta.dirname, 'caller-process.ts')
  const child = fork(script, [socket, String(uid), ...names], { execArgv: [] })
  const told: Told[] = []
  let taken = 0
  let ended: string | undefined
  child.on('message', (message: { told?: Told; ended?: string }) => {
    if (message.told !== undefined) told.push(message.told)
    if (message.ended !== undefined) ended = message.ended
  })
  await once(child, 'spawn')
  const over = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    told,
    get ended() {
      return ended
    },
    async next(withinMs) {
      const next = await eventually(`uid ${uid} is told more`, () => told[taken], withinMs)
      taken += 1
      return next
    },
    async stop() {
      child.kill('SIGKILL')
      await over
    },
  }
}
