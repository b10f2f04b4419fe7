/**
 * Until when what an authority signed is valid, of what no agent tells: tokens, which workloads keep, and what operators minted or
 * servers below have. Heard from the audit, so it is known of what was signed since the server started; of tokens from before the
 * usual life is taken.
 */
import type { Clock } from '../../../runtime/clock.ts'
import type { AuditEvent } from '../../audit/audit.ts'

export interface Unseen {
  /** To be told of each line of the audit. */
  hear(event: AuditEvent): void
  /** ms since the epoch; -Infinity: nothing is known of. */
  until(kind: 'x509' | 'jwt', authorityId: string): number
}

export function createUnseen({
  clock,
  jwtTtlMs,
}: {
  readonly clock: Clock
  readonly jwtTtlMs: number
}): Unseen {
  const ends = { x509: new Map<string, number>(), jwt: new Map<string, number>() }
  const tokensFromBefore = clock.now() + jwtTtlMs
  const endOf = (kind: 'x509' | 'jwt', id: string): number => ends[kind].get(id) ?? -Infinity
  return {
    hear(event) {
      if (event.event !== 'issued') return
      const { issued, entryId, authorityId, expiresAt } = event
      // What has an entry is an agent's, which says which authorities it needs.
      const unseen = issued === 'downstream-ca' || (issued === 'x509-svid' && entryId === undefined)
      const kind = issued === 'jwt-svid' ? 'jwt' : unseen ? 'x509' : undefined
      if (kind === undefined) return
      ends[kind].set(authorityId, Math.max(endOf(kind, authorityId), expiresAt))
    },
    until: (kind, id) => Math.max(endOf(kind, id), kind === 'jwt' ? tokensFromBefore : -Infinity),
  }
}
