import { createTurn } from '../api/turns.ts'
import type { Asked } from '../service.ts'
import type { AgentParts } from './parts.ts'

/** Each resolves when it is the turn of who asks. @throws WordedStatus where the line is too long */
export interface Turns {
  attest(asked: Asked): Promise<void>
  renew(asked: Asked): Promise<void>
  report(asked: Asked): Promise<void>
}

/** SPIRE's, for one address. */
const ATTESTATIONS_PER_SECOND = 1
const SIGNINGS_PER_SECOND = 500
const REPORTS_PER_SECOND = 10
/** A fleet behind one address comes in one by one. */
const LONGEST_WAIT_MS = 60_000

export function createTurns(parts: AgentParts): Turns {
  const { clock, audit } = parts
  const {
    attestationsPerSecond = ATTESTATIONS_PER_SECOND,
    signingsPerSecond = SIGNINGS_PER_SECOND,
  } = parts
  const attest = createTurn({
    clock,
    audit,
    perSecond: attestationsPerSecond,
    longestWaitMs: LONGEST_WAIT_MS,
  })
  const renew = createTurn({ clock, audit, perSecond: signingsPerSecond })
  const report = createTurn({ clock, audit, perSecond: REPORTS_PER_SECOND })
  return {
    attest: (asked) => attest('attest agent rate limiting', asked),
    renew: (asked) => renew('renew agent rate limiting', asked),
    report: (asked) => report('post status rate limiting', asked),
  }
}
