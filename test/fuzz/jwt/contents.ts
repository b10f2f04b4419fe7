/** Headers and claims: as an issuer writes them, as it must not, odd, repeated, and large. */
import type { Draw } from '../draw.ts'
import type { Value } from '../values.ts'
import { mutateValue } from '../values.ts'
import type { Keys, Signer, Texts } from './keys.ts'
import { AUDIENCE, compact, createKeys, OTHER, OWN } from './keys.ts'

export type Members = { [name: string]: Value }

/** What a signer signs with, and of which `kid`. Mostly the fast one. */
export const signer = (draw: Draw, keys: Keys): Signer =>
  draw.chance(0.9) ? keys.signers[0] : draw.pick(keys.signers)

export const headerOf = (alg: string, kid: string): Members => ({ alg, kid, typ: 'JWT' })

export function goodClaims(draw: Draw, { now }: Pick<Keys, 'now'>): Members {
  const seconds = Math.floor(now / 1000)
  return {
    sub: `spiffe://${OWN}/${draw.pick(['web', 'a/b', 'x'.repeat(100)])}`,
    aud: draw.pick<Value>([AUDIENCE, [AUDIENCE], ['other', AUDIENCE]]),
    exp: seconds + draw.int(300),
    iat: seconds - draw.int(300),
  }
}

export const text = (value: Value): string => JSON.stringify(value)

export const signed = (by: Signer, algorithm: string, header: Value, payload: Value): string =>
  compact({ header: text(header), payload: text(payload) }, by, algorithm)

/** What tokens are drawn from: RSA signatures cost more than all the rest, so valid ones are made once. */
export interface Source extends Keys {
  readonly pool: readonly [string, ...string[]]
}

const POOL = 300

/** @param now ms since the epoch */
export function createSource(draw: Draw, now: number): Source {
  const keys = createKeys(now)
  const pool = Array.from({ length: POOL }, () => issue(draw, keys))
  return { ...keys, pool: [issue(draw, keys), ...pool] }
}

function issue(draw: Draw, keys: Keys): string {
  const by = draw.pick(keys.signers)
  const algorithm = by.kid === 'k6' ? 'RS256' : draw.pick(by.algorithms)
  return signed(by, algorithm, headerOf(algorithm, by.kid), goodClaims(draw, keys))
}

export function valid(draw: Draw, { pool }: Source): string {
  return draw.pick(pool)
}

/** Claims that are not as they must be, and such as are odd and allowed, signed by one who may. */
export function claims(draw: Draw, keys: Keys): string {
  const by = signer(draw, keys)
  const algorithm = by.kid === 'k6' ? 'RS256' : draw.pick(by.algorithms)
  const all = goodClaims(draw, keys)
  const seconds = Math.floor(keys.now / 1000)
  const at = draw.pick([-3_600, -61, -60, -59, -1, 0, 1, 59, 60, 61, 3_600])
  const number = draw.pick<Value>([seconds + at, seconds + at + 0.5, `${seconds}`, -1, 1e308, null])
  switch (draw.int(7)) {
    case 0:
      all['exp'] = number
      break
    case 1:
      all['nbf'] = number
      break
    case 2:
      all['iat'] = number
      break
    case 3:
      all['aud'] = draw.pick<Value>([
        'other',
        [],
        [''],
        '',
        null,
        {},
        [[AUDIENCE]],
        [AUDIENCE, 1],
        [AUDIENCE, AUDIENCE],
        `${AUDIENCE} `,
        AUDIENCE.toUpperCase(),
        { [AUDIENCE]: true, includes: 1, length: 1 },
      ])
      break
    case 4:
      all['sub'] = draw.pick<Value>(SUBJECTS)
      break
    case 5:
      delete all[draw.pick(['sub', 'aud', 'exp', 'iat'])]
      break
    default:
      all[draw.pick(['jti', 'iss', 'x', '__proto__', 'constructor'])] = draw.pick<Value>([
        { sub: 'spiffe://example.org/admin' },
        1e308,
        'x'.repeat(3_000),
        [[[[]]]],
      ])
  }
  return signed(by, algorithm, headerOf(algorithm, by.kid), all)
}

const SUBJECTS: readonly [Value, ...Value[]] = [
  `spiffe://${OTHER}/web`,
  `spiffe://${OWN}`,
  `spiffe://${OWN}/`,
  `spiffe://${OWN}//web`,
  `spiffe://${OWN}/a/../b`,
  `spiffe://${OWN}/web?x=1`,
  `spiffe://${OWN}/web#x`,
  `spiffe://${OWN}:443/web`,
  `spiffe://me@${OWN}/web`,
  `spiffe://${OWN.toUpperCase()}/web`,
  `SPIFFE://${OWN}/web`,
  `spiffe://${OWN}/%77eb`,
  `spiffe://${OWN}/wéb`,
  `spiffe://${OWN}\0/web`,
  `spiffe://unknown.org/web`,
  `spiffe://__proto__/web`,
  `spiffe://${OWN}/${'y'.repeat(3_000)}`,
  '',
  ' ',
  null,
  7,
  ['spiffe://example.org/web'],
]

/** Anything else in header and claims, signed by one who may. */
export function mutated(draw: Draw, keys: Keys): string {
  const by = signer(draw, keys)
  const algorithm = by.kid === 'k6' ? 'RS256' : draw.pick(by.algorithms)
  const [head, body] = [headerOf(algorithm, by.kid), goodClaims(draw, keys)]
  const inHeader = draw.chance(0.4)
  const header = inHeader ? mutateValue(draw, head, body) : head
  return signed(by, algorithm, header, inHeader ? body : mutateValue(draw, body, head))
}

/** JSON that says a member twice, or is written in another way: one reader may see what another does not. */
export function repeated(draw: Draw, keys: Keys): string {
  const by = keys.signers[0]
  const texts: { -readonly [Part in keyof Texts]: string } = {
    header: text(headerOf('ES256', by.kid)),
    payload: text(goodClaims(draw, keys)),
  }
  const part = draw.pick(['header', 'payload'] as const)
  const was = texts[part]
  const member =
    part === 'header'
      ? draw.pick(['"alg":"none"', '"kid":"k2"', '"crit":["x"]', '"\\u0061lg":"ES256"'])
      : draw.pick([
          `"sub":"spiffe://${OWN}/admin"`,
          `"aud":"${AUDIENCE}"`,
          '"exp":99999999999',
          '"\\u0065xp":1',
        ])
  texts[part] = draw.pick([
    `{${member},${was.slice(1)}`,
    `${was.slice(0, -1)},${member}}`,
    `${was.slice(0, -1)},"inside":{"a":1,"a":2}}`,
    `${was.slice(0, -1)},"odd":"\\ud800"}`,
    `${was.slice(0, -1)},}`,
    ` ${was}\n`,
    `\ufeff${was}`,
    `${was}${was}`,
    `[${was}]`,
    `${was.slice(0, -1)},"n":1e999}`,
    `${was.slice(0, -1)},"n":01}`,
    was.replaceAll('"', "'"),
    was.replace('":', '"\n:\t'),
    `${was}// end`,
    JSON.stringify(was),
  ])
  return compact(texts, by, 'ES256')
}

const KIB = 1024

export function large(draw: Draw, keys: Keys): string {
  const by = keys.signers[0]
  const header = headerOf('ES256', by.kid)
  const body = goodClaims(draw, keys)
  const deep = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`
  switch (draw.int(6)) {
    // About the most that is read.
    case 0:
      return signed(by, 'ES256', header, {
        ...body,
        pad: 'x'.repeat(draw.pick([40, 47, 60]) * KIB),
      })
    case 1:
      return 'x'.repeat(draw.pick([KIB, 64 * KIB, 1024 * KIB]))
    case 2:
      return '.'.repeat(draw.pick([KIB, 1024 * KIB]))
    case 3: {
      const payload = `${text(body).slice(0, -1)},"deep":${deep(draw.pick([10, 31, 32, 33, 5_000]))}}`
      return compact({ header: text(header), payload }, by, 'ES256')
    }
    case 4: {
      const payload = `${text(body).slice(0, -1)},"n":${'9'.repeat(draw.pick([20, 400, 401, 9_000]))}}`
      return compact({ header: text(header), payload }, by, 'ES256')
    }
    default: {
      const aud = Array.from({ length: draw.pick([100, 4_000]) }, (_, index) => `a${index}`)
      return signed(by, 'ES256', header, { ...body, aud: [...aud, AUDIENCE] })
    }
  }
}
