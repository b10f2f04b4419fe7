/** Tokens as an issuer makes them, might get them wrong, and as an attacker would. */
import type { Draw } from '../draw.ts'
import { mutate } from '../draw.ts'
import type { Value } from '../values.ts'
import {
  claims,
  goodClaims,
  headerOf,
  large,
  mutated,
  repeated,
  signed,
  signer,
  text,
  valid,
} from './contents.ts'
import type { Members, Source } from './contents.ts'
import type { Keys } from './keys.ts'
import { base64url, compactHmac, OTHER, OWN, signatureOf, signedPart } from './keys.ts'

/** Kinds of tokens, by what is done to them. */
export const KINDS = {
  valid,
  bytes,
  parts,
  algorithm,
  hmac,
  header,
  claims,
  mutated,
  repeated,
  wrongKey,
  signature,
  structure,
  large,
} as const
export type Kind = keyof typeof KINDS
export const KIND_NAMES = Object.keys(KINDS).filter((kind) => kind !== 'large') as [Kind, ...Kind[]]

/** Changes to the text of a token, some taken from another. */
function bytes(draw: Draw, keys: Source): string {
  const [one, other] = [valid(draw, keys), valid(draw, keys)]
  return draw.chance(0.1)
    ? draw.bytes(draw.size(600)).toString(draw.pick(['latin1', 'base64url', 'utf8']))
    : mutate(draw, Buffer.from(one), Buffer.from(other)).toString(draw.pick(['utf8', 'latin1']))
}

/** Changes to what one part says, under the old signature; or parts of two tokens in one. */
function parts(draw: Draw, keys: Source): string {
  const [one, other] = [valid(draw, keys).split('.'), valid(draw, keys).split('.')]
  const at = draw.int(3)
  const part = Buffer.from(one[at] ?? '', 'base64url')
  one[at] = draw.chance(0.3)
    ? (other[at] ?? '')
    : base64url(mutate(draw, part, Buffer.from(other[at] ?? '', 'base64url')))
  return one.join('.')
}

const ALGORITHMS = [
  'none',
  'None',
  'nOnE',
  '',
  'HS256',
  'EdDSA',
  'Ed25519',
  'ES256K',
  'es256',
  'ES256 ',
  'ES384',
  'ES512',
  'RS256',
  'PS256',
  'RS1',
  'RSA-OAEP',
  'dir',
  'ML-DSA-44',
] as const

/** A header that names another algorithm than its signature is of, signed or not. */
function algorithm(draw: Draw, keys: Keys): string {
  const by = draw.chance(0.9) ? keys.signers[0] : draw.pick([...keys.signers, ...keys.unusable])
  const named = draw.pick<Value>([...ALGORITHMS, null, 1, true, ['ES256'], { alg: 'ES256' }])
  const header = { ...headerOf('', by.kid), alg: named }
  if (draw.chance(0.1)) delete (header as Partial<Members>)['alg']
  const whole = signed(by, draw.pick(by.algorithms), header, goodClaims(draw, keys))
  return draw.chance(0.5) ? whole : whole.slice(0, whole.lastIndexOf('.') + 1)
}

/** A MAC, whose secret is what everybody knows of a key. */
function hmac(draw: Draw, keys: Keys): string {
  const bits = draw.pick(['256', '384', '512'])
  const kid = draw.pick(['k1', 'k5', 'k8', 'k11'])
  const alg = draw.chance(0.8) ? `HS${bits}` : 'ES256'
  const texts = { header: text(headerOf(alg, kid)), payload: text(goodClaims(draw, keys)) }
  return compactHmac(texts, draw.pick(keys.known), bits)
}

/** Members that a header must not have, or that do not matter: of one who may sign, and of one who may not. */
function header(draw: Draw, keys: Keys): string {
  const by = draw.chance(0.5) ? signer(draw, keys) : draw.pick(keys.attacker)
  const algorithm = by.kid === 'k6' ? 'RS256' : draw.pick(by.algorithms)
  const jwk = by.publicKey.export({ format: 'jwk' }) as Members
  const more = draw.pick<Members>([
    { jwk: { ...jwk, kid: by.kid, use: 'jwt-svid' } },
    { jku: 'https://127.0.0.1:1/keys.json' },
    { x5u: 'https://127.0.0.1:1/chain.pem', x5t: 'AAAA' },
    { x5c: [base64url(by.publicKey.export({ format: 'der', type: 'spki' }))] },
    { crit: ['exp'] },
    { crit: ['foo'], foo: 1 },
    { crit: [] },
    { crit: null },
    { b64: false },
    { b64: false, crit: ['b64'] },
    { b64: true, crit: ['b64'] },
    { typ: 'wit+jwt' },
    { typ: 'at+jwt' },
    { typ: 'jwt' },
    { typ: 'application/JWT' },
    { typ: 'JOSE' },
    { typ: null },
    { typ: ['JWT'] },
    { cty: 'JWT' },
    { zip: 'DEF' },
    { enc: 'A256GCM' },
    { kid: '' },
    { kid: null },
    { kid: ['k1'] },
    { kid: 'k1\0' },
    { kid: '../../etc/passwd' },
    { kid: '__proto__' },
    { ['__proto__']: { kid: 'k1' } },
  ])
  return signed(by, algorithm, { ...headerOf(algorithm, by.kid), ...more }, goodClaims(draw, keys))
}

/** Signed by somebody else: of the other trust domain, of another kind, of no trust domain. */
function wrongKey(draw: Draw, keys: Keys): string {
  const by = draw.pick([...keys.signers, ...keys.others, ...keys.unusable, ...keys.attacker])
  const claimed = draw.pick([...keys.signers, ...keys.others, ...keys.unusable])
  const algorithm = draw.pick(by.algorithms)
  const trustDomain = draw.pick([OWN, OTHER])
  const all = { ...goodClaims(draw, keys), sub: `spiffe://${trustDomain}/web` }
  return signed(by, algorithm, headerOf(algorithm, claimed.kid), all)
}

/** Signatures that are none of the bytes they are of, or written in another way. */
function signature(draw: Draw, keys: Keys): string {
  const by = keys.signers[0]
  const part = signedPart({
    header: text(headerOf('ES256', by.kid)),
    payload: text(goodClaims(draw, keys)),
  })
  const right = signatureOf('ES256', by.privateKey, part)
  const order = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
  const [r, s] = [right.subarray(0, 32), right.subarray(32)]
  const negated = (BigInt(`0x${order}`) - BigInt(`0x${s.toString('hex')}`)).toString(16)
  const made = draw.pick([
    Buffer.alloc(64),
    Buffer.concat([r, Buffer.alloc(32)]),
    Buffer.from(order.repeat(2), 'hex'),
    Buffer.concat([r, Buffer.from(negated.padStart(64, '0'), 'hex')]),
    Buffer.concat([Buffer.alloc(1), r, Buffer.alloc(1), s]),
    right.subarray(0, 63),
    Buffer.concat([right, Buffer.alloc(1)]),
    Buffer.from([0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]),
    // Over the payload alone, as of a token whose payload is not encoded.
    signatureOf('ES256', by.privateKey, part.split('.')[1] ?? ''),
    draw.bytes(64),
  ])
  // What is negated is a signature as well (ECDSA); nobody asks that it be the lower of both.
  return `${part}.${base64url(made)}`
}

/** What is no compact serialisation, or one written in another way. */
function structure(draw: Draw, keys: Source): string {
  const whole = valid(draw, keys)
  const [head = '', body = '', end = ''] = whole.split('.')
  return draw.pick([
    `${head}.${body}`,
    `${whole}.`,
    `.${whole}`,
    `${whole}.${end}`,
    `${head}..${end}`,
    `${head}.${body}.`,
    `..`,
    '...',
    '....',
    ` ${whole}`,
    `${whole}\n`,
    `Bearer ${whole}`,
    `${head}=.${body}==.${end}`,
    whole.replaceAll('-', '+').replaceAll('_', '/'),
    `${whole}A`,
    withLooseBits(whole),
    `${head}.${body}\n.${end}`,
    `${head}%2E${body}%2E${end}`,
    JSON.stringify({ payload: body, protected: head, signature: end }),
    JSON.stringify({ payload: body, signatures: [{ protected: head, signature: end }] }),
    // Five parts, as an encrypted one has.
    `${head}.${body}.${end}.${head}.${end}`,
  ])
}

/** The same bytes in another text: the bits of the last character that say nothing are set. */
function withLooseBits(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.at(-1) ?? 'A')
  return `${token.slice(0, -1)}${alphabet[last ^ 1] ?? ''}`
}
