/** The authorities of both kinds as what both are: slots that follow each other, of which one signs. */
import type { AuthorityEvent, SlotView, Withdrawals } from '../../src/authority/authority.ts'
import type { ServerX509Authority } from '../../src/authority/authority.ts'
import type { ServerJwtAuthority } from '../../src/authority/jwt/jwt-authority.ts'
import type { Feed } from '../../src/runtime/feed.ts'
import type { SpiffeId } from '../../src/spiffe/spiffe-id.ts'
import type { ManualClock } from '../fakes/clock.ts'
import type { MemoryStateFile } from '../fakes/state-file.ts'
import * as x509 from './authorities.ts'
import * as jwt from './jwt-authorities.ts'

export interface Rotating extends Withdrawals {
  readonly state: Feed<{ readonly slots: readonly SlotView[]; readonly fault?: string }>
  prepare(): Promise<void>
  activate(): Promise<void>
  close(): Promise<void>
}

export interface Signed<Authority> {
  readonly authorityId: string
  /** ms since the epoch */
  readonly expiresAt: number
  /** What nobody may be shown of it. */
  readonly secret?: string
  /** Rejects where what `by` publishes does not verify it. */
  check(by: Authority): Promise<void>
}

/** One kind of authority on a state file and a clock of its own. */
export interface SignerSetting<Authority> {
  readonly clock: ManualClock
  readonly file: MemoryStateFile
  readonly events: readonly AuthorityEvent[]
  /** Again with the same file, as a restart does. */
  open(): Promise<Authority>
  sign(authority: Authority, asked?: Asked): Promise<Signed<Authority>>
  /** What it publishes, for others to verify with. */
  published(authority: Authority): unknown
}

interface Asked {
  readonly spiffeId?: SpiffeId
  readonly ttlMs?: number
}

export interface SignerKind<Authority extends Rotating> {
  readonly name: string
  /** Of a slot, in ms. */
  readonly lifeMs: number
  /** Of what is signed, unless it is asked for otherwise. */
  readonly ttlMs: number
  /** What it says where its state cannot be stored. */
  readonly unsaved: RegExp
  setting(): SignerSetting<Authority>
}

const ofX509 = (kind: x509.Kind): SignerKind<ServerX509Authority> => ({
  name: `X.509, ${kind.name}`,
  lifeMs: x509.CA_TTL,
  ttlMs: x509.request.ttlMs,
  unsaved: /no space left/,
  setting() {
    const made = x509.setting(kind)
    return {
      ...made,
      async sign(authority, asked) {
        const svid = await authority.issue({ ...x509.request, ...asked })
        return {
          authorityId: svid.authorityId,
          expiresAt: svid.notAfter,
          check: async (by) => x509.verify(by, svid.chain, made.clock.now()),
        }
      },
      published: ({ state }) => state.current.anchors,
    }
  },
})

const ofJwt = (kind: jwt.JwtKind): SignerKind<ServerJwtAuthority> => ({
  name: `JWT, ${kind.name}`,
  lifeMs: jwt.KEY_TTL,
  ttlMs: jwt.request.ttlMs,
  unsaved: /JWT authority's state .*no space left/,
  setting() {
    const made = jwt.jwtSetting(kind)
    return {
      ...made,
      async sign(authority, asked) {
        const { token, ...svid } = await authority.issue({ ...jwt.request, ...asked })
        return {
          ...svid,
          secret: token.split('.')[1] ?? '',
          check: async (by) => void (await jwt.verify(by, token, made.clock.now())),
        }
      },
      published: ({ state }) => state.current.keys,
    }
  },
})

/** @param suite declares the tests of one kind */
export function forEachSigner(
  suite: <Authority extends Rotating>(kind: SignerKind<Authority>) => void,
): void {
  for (const kind of x509.kinds) suite(ofX509(kind))
  for (const kind of jwt.kinds) suite(ofJwt(kind))
}

/** Those whose anchors nobody above them publishes. */
export function forEachWithdrawing(
  suite: <Authority extends Rotating>(kind: SignerKind<Authority>) => void,
): void {
  for (const kind of x509.kinds) if (kind.name === 'embedded') suite(ofX509(kind))
  for (const kind of jwt.kinds) suite(ofJwt(kind))
}
