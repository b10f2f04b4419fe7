import type { IssuedJwtSvid, JwtAuthority } from '../../authority/jwt/jwt-authority.ts'
import type { Entry } from '../../registration/entry.ts'

/** The JWT-SVIDs callers use. */
export interface JwtSvids {
  /**
   * A token of the entry's ID for all of `audience`, with at least half of its life left where one can be signed.
   * @throws SpindleError `request_invalid` for no audience or an empty one, `authority_unavailable`
   */
  fetch(entry: Entry, audience: readonly string[]): Promise<IssuedJwtSvid>
  close(): void
}

export interface JwtSvidsOptions {
  readonly authority: JwtAuthority
  /** For entries that say none. */
  readonly ttlMs: number
}

export function createJwtSvids({ authority, ttlMs }: JwtSvidsOptions): JwtSvids {
  return {
    fetch: ({ spiffeId, jwtSvidTtlMs }, audience) =>
      authority.issue({ spiffeId, audience, ttlMs: jwtSvidTtlMs ?? ttlMs }),
    close() {},
  }
}
