import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import type { SlotView } from '../../src/authority/authority.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { verifyX509Svid } from '../../src/certs/parse.ts'
import { codeOf } from '../../src/runtime/errors.ts'
import type { Issuing } from '../../src/server/issue/issuing.ts'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import { settle } from '../fakes/clock.ts'
import { fleet, trustDomain } from '../unit/server/issue/setting.ts'
import type { Fleet, Server } from '../unit/server/issue/setting.ts'
import { FULL } from './full.ts'

/**
 * Random histories of two servers on one store, with a clock that passes and is set back, a store that goes away and comes back, and restarts. After every
 * step: what signs is in the stored bundle, whatever was signed and not revoked can be verified with it, and nothing revoked comes back.
 */
type Step =
  | { readonly kind: 'prepare' | 'activate' | 'restart'; readonly of: Of }
  | { readonly kind: 'taint' | 'revoke'; readonly of: Of; readonly which: number }
  | { readonly kind: 'pass' | 'back'; readonly ms: number }
  | { readonly kind: 'store'; readonly away: boolean }

interface Of {
  readonly server: 0 | 1
  readonly authority: 'x509' | 'jwt'
}

const CA_TTL = 3_600_000
const HISTORIES = FULL ? 60 : 5
const STEPS = 40
const POSTGRES = 'store: { kind: postgres, url: "postgres://spindle@127.0.0.1/spindle" }'

const of = fc.record({
  server: fc.constantFrom(0 as const, 1 as const),
  authority: fc.constantFrom('x509' as const, 'jwt' as const),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('prepare' as const), of }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('activate' as const), of }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('taint' as const), of, which: fc.nat(3) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('revoke' as const), of, which: fc.nat(3) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(CA_TTL / 3) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('back' as const), ms: fc.nat(CA_TTL) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('store' as const), away: fc.constant(true) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('store' as const), away: fc.constant(false) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), of }) },
)

interface Issued {
  readonly chain: readonly Buffer[]
  readonly notBefore: number
  readonly notAfter: number
  readonly authorityId: string
}

class World {
  readonly #at: Fleet
  readonly #servers: readonly Server[]
  #open: Issuing[] = []
  readonly #svids: Issued[] = []
  readonly #revoked = new Set<string>()
  readonly #seen: Record<string, number>

  constructor(at: Fleet, seen: Record<string, number>) {
    this.#at = at
    this.#seen = seen
    this.#servers = ['a', 'b'].map((name) =>
      at.server(name, `authority: { kind: embedded, caTtl: 1h }\nsvid: { ttl: 10m }\n${POSTGRES}`),
    )
  }

  async start(): Promise<void> {
    this.#open = await Promise.all(this.#servers.map((server) => server.open()))
  }

  async take(taken: Step): Promise<void> {
    switch (taken.kind) {
      case 'pass':
        return this.#at.clock.advance(taken.ms)
      case 'back':
        return this.#at.clock.jump(-taken.ms)
      case 'store':
        this.#at.away = taken.away
        return
      case 'restart':
        return this.#restart(taken.of.server)
      case 'prepare':
      case 'activate':
      case 'taint':
      case 'revoke':
        return this.#ask(taken)
    }
  }

  async #restart(server: 0 | 1): Promise<void> {
    await this.#open[server]?.close()
    this.#at.away = false
    this.#open[server] = await this.#servers[server]!.open()
  }

  async #ask(taken: Extract<Step, { of: Of }>): Promise<void> {
    const authority = this.#open[taken.of.server]![taken.of.authority]
    const { slots } = authority.state.current
    // Mostly one that may be; now and then whichever.
    const retired = slots.filter(({ status }) => status === 'old' || status === 'tainted')
    const asked = 'which' in taken ? [...retired, ...slots][taken.which] : undefined
    const id = asked?.authorityId ?? ''
    try {
      if (taken.kind === 'prepare') await authority.prepare()
      else if (taken.kind === 'activate') await authority.activate()
      else if (taken.kind === 'taint') await authority.taint(id)
      else if (taken.kind === 'revoke') await authority.revoke(id)
      if (taken.kind === 'revoke') this.#revoked.add(id)
      this.#count(taken.kind)
    } catch (thrown) {
      const code = codeOf(thrown)
      const expected = ['authority_unavailable', 'store_unavailable', 'request_invalid']
      assert(expected.includes(code), String(thrown))
      this.#count(`${taken.kind} ${code}`)
      // It is done, and not stored yet.
      const gone = !authority.state.current.slots.some(({ authorityId }) => authorityId === id)
      if (taken.kind === 'revoke' && id !== '' && gone) this.#revoked.add(id)
    }
  }

  /** Waits for what is under way, and has SVIDs issued. */
  async rest(): Promise<void> {
    const { spki } = await generateKey('ec-p256')
    const spiffeId = parseSpiffeId('spiffe://example.org/web')
    for (const { x509, jwt } of this.#open) {
      await x509.reload()
      // Nothing comes of it but that its turn comes.
      await jwt.revoke('').catch(() => undefined)
      const issued = await x509
        .issue({ spiffeId, spki, dnsNames: [], ttlMs: 600_000 })
        .catch(() => undefined)
      if (issued !== undefined) this.#svids.push(issued)
    }
    await settle()
  }

  async check(): Promise<void> {
    const { clock } = this.#at
    const bundle = await this.#at.bundle()
    const now = clock.now()
    const kids = new Set(bundle.jwtAuthorities.map(({ keyId }) => keyId))
    const anchors = bundle.x509Authorities.map(({ certificate }) => certificate)
    const signs = ({ status, notAfter }: SlotView): boolean => status === 'active' && now < notAfter
    for (const { x509, jwt } of this.#open) {
      const state = x509.state.current
      const active = state.slots.findIndex(signs)
      const anchor = state.anchors[active]
      if (anchor !== undefined)
        assert(
          anchors.some((der) => Buffer.compare(der, anchor) === 0),
          'an X.509 authority signs that is not in the bundle',
        )
      const key = jwt.state.current.slots.find(signs)
      if (key !== undefined) assert(kids.has(key.authorityId), 'a JWT key signs that is not in it')
      this.#count(anchor === undefined || key === undefined ? 'cannot sign' : 'signs')
    }
    const bundles = new Map([[trustDomain, anchors]])
    for (const { chain, notBefore, notAfter, authorityId } of this.#svids)
      if (now < notAfter && !this.#revoked.has(authorityId))
        // By a clock that did not go back to before it was issued.
        verifyX509Svid(chain, bundles, { now: Math.max(now, notBefore + 11_000), mode: 'strict' })
    if (!this.#at.away)
      for (const id of this.#revoked) assert(!kids.has(id), 'a JWT key came back that was revoked')
  }

  async end(): Promise<void> {
    this.#at.away = false
    for (const issuing of this.#open) await issuing.close()
  }

  #count(what: string): void {
    this.#seen[what] = (this.#seen[what] ?? 0) + 1
  }
}

test('two servers on a store: whatever the history, what signs is in the stored bundle', async (t: TestContext) => {
  const seen: Record<string, number> = {}
  const history = fc.noBias(fc.array(step, { minLength: STEPS, maxLength: STEPS, size: 'max' }))
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const world = new World(await fleet(t), seen)
      await world.start()
      for (const taken of steps) {
        await world.take(taken)
        await world.rest()
        await world.check()
      }
      await world.end()
    }),
    {
      numRuns: HISTORIES,
      seed: Number(process.env['SPINDLE_SEED'] ?? 20_302),
      endOnFailure: true,
      interruptAfterTimeLimit: 120_000,
    },
  )
  t.diagnostic(JSON.stringify(seen))
  for (const what of [
    'prepare',
    'activate',
    'taint',
    'revoke',
    'signs',
    'prepare authority_unavailable',
  ])
    assert((seen[what] ?? 0) > 0, `no history met ${what}: ${JSON.stringify(seen)}`)
})
