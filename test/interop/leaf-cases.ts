/** Random leaves of the fixed profile, with what every reader must find in them. */
import * as fc from 'fast-check'
import {
  createIssuer,
  createRootCertificate,
  issueLeaf,
  type Issuer,
} from '../../src/certs/issuer.ts'
import { generateKey, type KeyPair, type KeyType } from '../../src/certs/keys.ts'
import { parseCertificate } from '../../src/certs/parse.ts'
import { parseTrustDomain, trustDomainId, type SpiffeId } from '../../src/spiffe/spiffe-id.ts'

export interface LeafCase {
  readonly leaf: Buffer
  readonly ca: Buffer
  readonly expected: Expected
}

/** Common ground of all readers; what one of them cannot tell is left out of its comparison. */
export interface Expected {
  /** Upper-case hex without leading zeros. */
  readonly serial: string
  /** OID=value */
  readonly subject: readonly string[]
  /** Seconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: string
  readonly uris: readonly string[]
  readonly dns: readonly string[]
  readonly keyEncipherment: boolean
  readonly authorityKeyId: string
  readonly issuerName: string
}

/** In the order they are written. */
export const EXTENSIONS = [
  { oid: '2.5.29.15', critical: true },
  { oid: '2.5.29.37', critical: false },
  { oid: '2.5.29.19', critical: true },
  { oid: '2.5.29.14', critical: false },
  { oid: '2.5.29.35', critical: false },
  { oid: '2.5.29.17', critical: false },
] as const

const LAST_SECOND = Date.UTC(9999, 11, 31, 23, 59, 59)
const YEAR_2050 = Date.UTC(2050, 0, 1)

const letters = (alphabet: string, lengths: { minLength: number; maxLength: number }) =>
  fc.string({ unit: fc.constantFrom(...alphabet.split('')), ...lengths })
const LOWER = 'abcdefghijklmnopqrstuvwxyz'
const ALNUM = `${LOWER}0123456789`
const segment = letters(`${ALNUM}${LOWER.toUpperCase()}.-_`, { minLength: 1, maxLength: 40 })
const path = fc
  .array(
    segment.filter((text) => text !== '.' && text !== '..'),
    { minLength: 1, maxLength: 6 },
  )
  .map((segments) => `/${segments.join('/')}`)
const longPath = fc.integer({ min: 300, max: 2000 }).map((length) => `/${'a'.repeat(length)}`)
const label = fc
  .tuple(
    letters(ALNUM, { minLength: 1, maxLength: 30 }),
    letters(ALNUM, { minLength: 1, maxLength: 30 }),
  )
  .map(([head, tail]) => `${head}-${tail}`)
const dnsName = fc
  .tuple(fc.boolean(), fc.array(label, { minLength: 1, maxLength: 4 }))
  .map(([any, labels]) => `${any ? '*.' : ''}${labels.join('.')}`)
const second = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1.7e9, max: 2e9 }) },
  { weight: 2, arbitrary: fc.integer({ min: -5, max: 5 }).map((by) => YEAR_2050 / 1000 + by) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: LAST_SECOND / 1000 - 1 }) },
)
const serial = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .filter((bytes) => bytes.some((byte) => byte !== 0))
  .filter((bytes) => bytes.length < 20 || (bytes[0] ?? 0x80) < 0x80)

const input = fc.record({
  issuer: fc.nat(),
  keyType: fc.constantFrom<KeyType>('ec-p256', 'ec-p256', 'ec-p384', 'rsa-2048'),
  keyIndex: fc.nat(),
  path: fc.oneof({ weight: 30, arbitrary: path }, { weight: 1, arbitrary: longPath }),
  dnsNames: fc.oneof(
    fc.constant([]),
    fc.array(dnsName, { maxLength: 5 }),
    fc.array(dnsName, { minLength: 20, maxLength: 40 }).filter((names) => names.length > 0),
  ),
  notBefore: second,
  seconds: fc.integer({ min: 1, max: 400 * 86_400 }),
  milliseconds: fc.nat(999),
  serial,
})
type Input = typeof input extends fc.Arbitrary<infer T> ? T : never

export async function leafCases(count: number, seed: number): Promise<readonly LeafCase[]> {
  const issuers = [
    await issuerOf('example.org', 'ec-p256'),
    await issuerOf('my_td.a-1', 'ec-p256'),
    await issuerOf('10.0.0.1', 'ec-p384'),
    await issuerOf('rsa.example', 'rsa-2048'),
  ]
  const pools = new Map<KeyType, readonly KeyPair[]>()
  for (const [type, size] of [
    ['ec-p256', 300],
    ['ec-p384', 30],
    ['rsa-2048', 2],
  ] as const) {
    pools.set(type, await Promise.all(Array.from({ length: size }, () => generateKey(type))))
  }
  const cases: LeafCase[] = []
  for (const one of fc.sample(input, { numRuns: count, seed })) {
    const from = issuers[one.issuer % issuers.length]
    const pool = pools.get(one.keyType) ?? []
    const key = pool[one.keyIndex % pool.length]
    if (from === undefined || key === undefined) throw new Error('no issuer or key')
    cases.push(await leafCase(one, from, key))
  }
  return cases
}

interface From {
  readonly issuer: Issuer
  readonly id: SpiffeId
}

async function issuerOf(name: string, type: KeyType): Promise<From> {
  const id = trustDomainId(parseTrustDomain(name))
  const key = await generateKey(type)
  const request = {
    trustDomainId: id,
    notBefore: 0,
    notAfter: LAST_SECOND,
    serial: Buffer.from([1]),
  }
  return { id, issuer: createIssuer(await createRootCertificate(key, request), key, name) }
}

async function leafCase(one: Input, from: From, key: KeyPair): Promise<LeafCase> {
  const { issuer, id } = from
  const uri = `${id}${one.path}` as SpiffeId
  const notAfter = Math.min(one.notBefore + one.seconds, LAST_SECOND / 1000)
  const leaf = await issueLeaf(issuer, {
    spiffeId: uri,
    dnsNames: one.dnsNames,
    spki: key.spki,
    notBefore: one.notBefore * 1000 + one.milliseconds,
    notAfter: notAfter * 1000 + one.milliseconds,
    serial: one.serial,
  })
  const [first] = one.dnsNames
  const commonName = first !== undefined && first.length <= 64 ? [`2.5.4.3=${first}`] : []
  return {
    leaf,
    ca: issuer.certificate,
    expected: {
      serial: BigInt(`0x${Buffer.from(one.serial).toString('hex')}`)
        .toString(16)
        .toUpperCase(),
      subject: ['2.5.4.6=US', '2.5.4.10=Spindle', ...commonName],
      notBefore: one.notBefore,
      notAfter,
      spki: key.spki.toString('base64'),
      uris: [uri],
      dns: one.dnsNames,
      keyEncipherment: one.keyType === 'rsa-2048',
      authorityKeyId: issuer.authorityId,
      issuerName: parseCertificate(issuer.certificate, 'ca').subjectName.toString('base64'),
    },
  }
}
