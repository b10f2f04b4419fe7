import type {
  AuthorityState,
  IssuedX509Svid,
  SlotView,
  X509Authority,
  X509Request,
} from '../../src/authority/authority.ts'
import type {
  IssuedJwtSvid,
  JwtAuthority,
  JwtAuthorityState,
  JwtRequest,
} from '../../src/authority/jwt/jwt-authority.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { SpindleError } from '../../src/runtime/errors.ts'
import { createFeed } from '../../src/runtime/feed.ts'
import type { Feed, MutableFeed } from '../../src/runtime/feed.ts'

/** An authority whose certificates are labelled bytes, and which can be made to fail or to wait. */
export interface FakeAuthority extends X509Authority {
  readonly state: MutableFeed<AuthorityState>
  readonly requests: readonly X509Request[]
  /** While set, `issue` fails with it. */
  failure: SpindleError | undefined
  /** While true, `issue` waits until it is made false. */
  held: boolean
  /** The authority that signs from now on. */
  signWith(authorityId: string): void
}

export function slotView(authorityId: string, more: Partial<SlotView> = {}): SlotView {
  return { authorityId, status: 'active', notBefore: 0, notAfter: 2 ** 50, ...more }
}

export function createFakeAuthority(clock: Clock): FakeAuthority {
  const requests: X509Request[] = []
  const state = createFeed<AuthorityState>({
    anchors: [Buffer.from('anchor a')],
    slots: [slotView('a')],
  })
  let authorityId = 'a'
  let held = false
  let waiting: (() => void)[] = []
  return {
    state,
    requests,
    failure: undefined,
    get held() {
      return held
    },
    set held(value) {
      held = value
      if (held) return
      const all = waiting
      waiting = []
      for (const go of all) go()
    },
    signWith(id) {
      authorityId = id
    },
    async issue(request): Promise<IssuedX509Svid> {
      requests.push(request)
      if (held) await new Promise<void>((go) => waiting.push(go))
      if (this.failure !== undefined) throw this.failure
      const now = clock.now()
      return {
        chain: [Buffer.from(`${request.spiffeId} ${requests.length}`)],
        notBefore: now - 10_000,
        notAfter: now + request.ttlMs,
        issuedAt: now,
        authorityId,
      }
    },
    prepare: async () => {},
    activate: async () => {},
    reload: async () => {},
    close: async () => {},
  }
}

/** A JWT authority whose tokens are numbered texts, and which can be made to fail or to wait. */
export interface FakeJwtAuthority extends JwtAuthority {
  readonly state: MutableFeed<JwtAuthorityState>
  readonly requests: readonly JwtRequest[]
  /** While set, `issue` fails with it. */
  failure: SpindleError | undefined
  /** What `issue` waits for before it answers. */
  before: Promise<unknown> | undefined
  /** The key that signs from now on. */
  signWith(authorityId: string): void
}

export function createFakeJwtAuthority(clock: Clock): FakeJwtAuthority {
  const requests: JwtRequest[] = []
  const state = createFeed<JwtAuthorityState>({ keys: [], slots: [slotView('a')] })
  let authorityId = 'a'
  return {
    state,
    requests,
    failure: undefined,
    before: undefined,
    signWith(id) {
      authorityId = id
    },
    async issue(request): Promise<IssuedJwtSvid> {
      requests.push(request)
      const issuedAt = clock.now()
      await this.before
      if (this.failure !== undefined) throw this.failure
      const token = `token ${requests.length}`
      return { token, issuedAt, expiresAt: issuedAt + request.ttlMs, authorityId }
    },
    prepare: async () => {},
    activate: async () => {},
    replace: async () => {},
    close: async () => {},
  }
}

/** Of an authority that has no key for JWT-SVIDs. */
export const noJwtKeys = (): Feed<JwtAuthorityState> => createFeed({ keys: [], slots: [] })

export const unavailable = (why = 'away'): SpindleError =>
  new SpindleError('authority_unavailable', why)
