/** A JWT-SVID that is fetched again around half of its life, and tried again while that fails. */
import type { JwtFileConfig } from '../config/files/files-config.ts'
import { retryDelay } from '../runtime/backoff.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import type { Random } from '../runtime/random.ts'
import { renewalInstant } from '../runtime/renewal.ts'
import type { WorkloadClient } from '../workload/client.ts'
import type { FetchedJwt } from '../workload/jwt.ts'
import type { Item } from './item.ts'
import type { Write } from './places.ts'

export interface TokenOptions {
  readonly client: Pick<WorkloadClient, 'fetchJwt'>
  readonly config: JwtFileConfig
  readonly write: Write<string>
  readonly clock: Clock
  readonly random: Random
}

const RETRY = { baseMs: 500, maxMs: 30_000 }
/** An agent that has it in store gives the same token again until it renews it itself. */
const LEAST_WAIT_MS = 1_000
/** The wall clock may be set while a long wait goes on. */
const LONGEST_WAIT_MS = 30_000

/** Begins at once. The result ends it. */
export function keepToken(item: Item, options: TokenOptions): () => void {
  const { client, config, write, clock, random } = options
  const { audience, spiffeId } = config
  let timer: Timer | undefined
  let closed = false
  let held: FetchedJwt | undefined

  const fetch = async (attempt: number): Promise<void> => {
    try {
      const asked = { audience, ...(spiffeId !== undefined && { spiffeId }) }
      const { svids } = await client.fetchJwt(asked)
      if (closed) return
      const [token] = svids
      held = token
      item.offer({
        facts: { spiffeId: token.spiffeId, audience, file: config.file },
        expiresAt: token.expiresAt,
        write: () => write(token.token),
      })
      waitUntil(dueAt(token))
    } catch (thrown) {
      if (!(thrown instanceof SpindleError)) throw thrown
      if (closed) return
      item.fail(thrown)
      const lifeLeftMs = held === undefined ? 0 : held.expiresAt - clock.now()
      // What has expired leaves nothing to hurry for.
      const limits = lifeLeftMs > 0 ? { ...RETRY, lifeLeftMs } : RETRY
      const delay = retryDelay(attempt, limits, random.fraction())
      timer = clock.after(Math.max(delay, LEAST_WAIT_MS), () => void fetch(attempt + 1))
    }
  }

  const dueAt = ({ claims, expiresAt }: FetchedJwt): number => {
    const issued = Number(claims['iat']) * 1000
    const now = clock.now()
    const issuedAt = issued > 0 && issued <= now ? issued : now
    return renewalInstant({ issuedAt, notAfter: expiresAt }, random.fraction())
  }

  /** `due`: ms since the epoch; what is past is asked again soon, the sooner the less life is left. */
  const waitUntil = (due: number): void => {
    const now = clock.now()
    const soon = Math.max(LEAST_WAIT_MS, ((held?.expiresAt ?? now) - now) / 10)
    const wait = due > now ? due - now : soon
    timer = clock.after(Math.min(wait, LONGEST_WAIT_MS), () => {
      if (due - clock.now() > 0) waitUntil(due)
      else void fetch(0)
    })
  }

  void fetch(0)
  return () => {
    closed = true
    timer?.cancel()
  }
}
