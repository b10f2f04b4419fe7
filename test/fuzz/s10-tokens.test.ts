/** S10: whatever is said to be a JWT-SVID is taken where slow, obvious code from the rules takes it, and nowhere else. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { createJwtVerifier } from '../../src/jwt/verify.ts'
import { SpindleError } from '../../src/runtime/errors.ts'
import { parseBundle } from '../../src/spiffe/bundle.ts'
import type { Bundle } from '../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { atScale } from '../faults/scale.ts'
import { FULL } from '../model/full.ts'
import { createDraw, drawSeed } from './draw.ts'
import { createSource } from './jwt/contents.ts'
import type { Kind } from './jwt/forgeries.ts'
import { KIND_NAMES, KINDS } from './jwt/forgeries.ts'
import { AUDIENCE } from './jwt/keys.ts'
import { judge } from './jwt/oracle.ts'
import { cpuMs, MOST_MS } from './outcome.ts'

const TOKENS = atScale(FULL ? 100_000 : 10_000, 1_000_000)
const NOW = Date.UTC(2026, 10, 22)
/** What is beyond these is refused, whatever it says: bytes of a token, levels and digits of its JSON. */
const LIMIT = /longer than 65536 bytes|nested deeper than 32|number longer than 400/

interface Tally {
  accepted: number
  refused: number
}

test(`S10: ${TOKENS} tokens, of which most are forged`, async (t) => {
  const draw = createDraw(drawSeed(t))
  const keys = createSource(draw, NOW)
  const verifier = createJwtVerifier()
  const bundles = new Map<TrustDomain, Bundle>()
  for (const [name, jwks] of keys.bundles) {
    const trustDomain = name as TrustDomain
    bundles.set(trustDomain, parseBundle(trustDomain, JSON.stringify({ keys: jwks })).bundle)
  }
  const question = { audience: AUDIENCE, keys: keys.bundles, now: NOW }
  const tallies = new Map<Kind, Tally>(
    (Object.keys(KINDS) as Kind[]).map((kind) => [kind, { accepted: 0, refused: 0 }]),
  )
  let longestMs = 0
  let beyond = 0
  for (let count = 0; count < TOKENS; count++) {
    // Large ones take a hundred times as long.
    const kind = draw.chance(0.01) ? 'large' : draw.pick(KIND_NAMES)
    const token = KINDS[kind](draw, keys)
    const expected = judge(token, question)
    const shown = (): string =>
      `${kind}: ${token.slice(0, 5_000)}\n${JSON.stringify([...keys.bundles])}`
    const started = cpuMs()
    const found = await verifier.verify(token, { audience: AUDIENCE, bundles, now: NOW }).then(
      ({ spiffeId, claims }) => ({ spiffeId, claims, refusal: '' }),
      (thrown: unknown) => ({ spiffeId: undefined, claims: {}, refusal: refusalOf(thrown, token) }),
    )
    longestMs = Math.max(longestMs, cpuMs() - started)
    const tally = tallies.get(kind)!
    if (found.spiffeId !== undefined) {
      tally.accepted += 1
      assert(expected.accepted, `accepted, but ${expected.why}: ${shown()}`)
      assert.equal(found.spiffeId, expected.spiffeId, shown())
      assert.equal(found.claims['sub'], expected.spiffeId, shown())
    } else {
      tally.refused += 1
      if (LIMIT.test(found.refusal)) beyond += 1
      else assert(!expected.accepted, `refused (${found.refusal}), but it is valid: ${shown()}`)
    }
  }
  assert.equal('polluted' in {}, false)
  t.diagnostic(`at most ${longestMs.toFixed(1)} ms of CPU time; ${beyond} beyond a limit`)
  assert(longestMs < MOST_MS, `${longestMs} ms of CPU time`)
  expectBoth(t, tallies)
})

/** The reason of a refusal on purpose, which holds nothing of the token: it is a credential, and goes into logs. */
function refusalOf(thrown: unknown, token: string): string {
  assert(thrown instanceof SpindleError, `not an error on purpose: ${String(thrown)}, on ${token}`)
  assert.equal(thrown.code, 'jwt_svid_invalid', `${thrown.message}, on ${token.slice(0, 5_000)}`)
  const { message } = thrown
  // What else steers a terminal is taken out where it is shown (textLine, shownText).
  assert(message.length < 500 && !message.includes('\n'), JSON.stringify(message))
  for (const part of token.split('.', 5))
    if (part.length >= 8) assert(!message.includes(part), `${message}: part of the token`)
  return message
}

/** Those of which all must be refused, or may be; of all others there is some of both, or nothing would be tested. */
const NONE: readonly Kind[] = ['hmac']
const ANY: readonly Kind[] = ['bytes', 'structure', 'algorithm']

function expectBoth(t: TestContext, tallies: ReadonlyMap<Kind, Tally>): void {
  for (const [kind, { accepted, refused }] of tallies) {
    t.diagnostic(`${kind}: ${accepted} accepted, ${refused} refused`)
    if (kind === 'valid') assert.equal(refused, 0)
    else assert(refused > (accepted + refused) / 20, kind)
    if (NONE.includes(kind)) assert.equal(accepted, 0, kind)
    else assert(accepted > 0 || ANY.includes(kind), kind)
  }
}
