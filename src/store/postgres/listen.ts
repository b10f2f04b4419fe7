import pg from 'pg'
import { retryDelay } from '../../runtime/backoff.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'

/** Carries the revision and nothing else. */
export const CHANNEL = 'spindle_revision'
const CHECK_MS = 30_000
const RETRY = { baseMs: 200, maxMs: 15_000 }
/** For a goodbye that the server may not hear. */
const CLOSE_MS = 2_000

export interface ListenerOptions {
  readonly config: pg.ClientConfig
  readonly clock: Clock
  readonly random: Random
  /** A revision was committed; undefined: ask which is the last. */
  readonly heard: (revision: number | undefined) => Promise<void>
  /** Called once for each time that the connection is lost, and once it is there again. */
  readonly onFault: (thrown: unknown) => void
  readonly onHealed: () => void
}

export interface Listener {
  close(): Promise<void>
}

/**
 * Hears of what other servers commit, on a connection of its own. Whoever listens hears nothing while it is lost, so the last
 * revision is asked for once it is back; and every 30 s, for a connection may be dead without a word.
 */
export function startListener(options: ListenerOptions): Listener {
  const { config, clock, random, heard, onFault, onHealed } = options
  let client: pg.Client | undefined
  let timer: Timer | undefined
  let failures = 0
  let closed = false

  const lost = (of: pg.Client, thrown: unknown): void => {
    if (client !== of) return
    client = undefined
    timer?.cancel()
    void end(of, clock)
    if (closed) return
    if (failures === 0) onFault(thrown)
    const delay = retryDelay(failures++, RETRY, random.fraction())
    timer = clock.after(delay, () => void connect())
  }

  const check = async (of: pg.Client): Promise<void> => {
    try {
      // The connection is asked, not the pool: it is this one that has to be alive.
      await of.query('select 1')
      await heard(undefined)
    } catch (thrown) {
      return lost(of, thrown)
    }
    if (client === of) timer = clock.after(CHECK_MS, () => void check(of))
  }

  const connect = async (): Promise<void> => {
    const next = new pg.Client(config)
    client = next
    next.on('error', (thrown) => lost(next, thrown))
    next.on('end', () => lost(next, new Error('the connection was closed')))
    next.on('notification', ({ payload }) => {
      const revision = Number(payload)
      heard(Number.isSafeInteger(revision) ? revision : undefined).catch((thrown: unknown) =>
        lost(next, thrown),
      )
    })
    try {
      await next.connect()
      await next.query(`listen ${CHANNEL}`)
    } catch (thrown) {
      return lost(next, thrown)
    }
    await check(next)
    if (client !== next) return
    if (failures > 0) onHealed()
    failures = 0
  }

  void connect()
  return {
    async close() {
      closed = true
      timer?.cancel()
      const open = client
      client = undefined
      if (open !== undefined) await end(open, clock)
    },
  }
}

async function end(client: pg.Client, clock: Clock): Promise<void> {
  let late: Timer | undefined
  const patience = new Promise<void>((resolve) => {
    late = clock.after(CLOSE_MS, resolve)
  })
  await Promise.race([client.end().catch(() => undefined), patience])
  late?.cancel()
}
