import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import {
  ecTypeOf,
  generateKey,
  isEcKeyOf,
  leftPadded,
  readKeyPem,
} from '../../../src/certs/keys.ts'
import { toPem } from '../../../src/certs/parse.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'

type Curve = 'prime256v1' | 'secp384r1' | 'secp521r1' | 'secp256k1'
const ec = (namedCurve: Curve) => generateKeyPairSync('ec', { namedCurve }).privateKey
const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength }).privateKey
const rsa2048 = rsa(2048)
const pkcs8 = { type: 'pkcs8', format: 'pem' } as const

function refuses(pem: string, message: RegExp): void {
  assert.throws(
    () => readKeyPem(pem, 'authority.keyFile'),
    (thrown) =>
      thrown instanceof SpindleError &&
      thrown.code === 'certificate_invalid' &&
      thrown.message.startsWith('authority.keyFile: ') &&
      message.test(thrown.message) &&
      // No run of the key's base64 may appear.
      !pem
        .split('\n')
        .some((line) => line.length === 64 && thrown.message.includes(line.slice(4, 16))),
    message.source,
  )
}

for (const type of ['ec-p256', 'ec-p384'] as const) {
  test(`generateKey ${type}: PKCS#8 and SPKI are what OpenSSL would write, byte for byte`, async () => {
    // 1 scalar in 256 begins with a zero byte, which must be kept.
    for (let i = 0; i < 600; i++) {
      const key = await generateKey(type)
      const { privateKey } = key
      assert.equal(key.type, type)
      assert.deepEqual(privateKey.export({ type: 'pkcs8', format: 'der' }), key.pkcs8)
      const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
      assert.deepEqual(spki, key.spki)
      assert.equal(ecTypeOf(key.spki), type)
    }
  })
}

test('leftPadded gives a scalar its full length', () => {
  assert.equal(leftPadded(Buffer.from('0102', 'hex'), 4).toString('hex'), '00000102')
  assert.equal(leftPadded(Buffer.from('0102', 'hex'), 2).toString('hex'), '0102')
})

for (const [type, bits] of [
  ['rsa-2048', 2048],
  ['rsa-4096', 4096],
] as const) {
  test(
    `generateKey ${type}: made off the main thread, with exponent 65537`,
    { timeout: 60_000 },
    async () => {
      const pending = generateKey(type)
      let turned = false
      setImmediate(() => (turned = true))
      const key = await pending
      assert.ok(turned, 'the event loop turned while the key was made')
      assert.equal(key.type, type)
      assert.equal(key.privateKey.asymmetricKeyDetails?.modulusLength, bits)
      assert.equal(key.privateKey.asymmetricKeyDetails?.publicExponent, 65_537n)
      const reread = createPrivateKey({ key: key.pkcs8, format: 'der', type: 'pkcs8' })
      const signature = sign('sha256', Buffer.from('x'), reread)
      const publicKey = createPublicKey({ key: key.spki, format: 'der', type: 'spki' })
      assert.ok(verify('sha256', Buffer.from('x'), publicKey, signature))
    },
  )
}

test('readKeyPem reads PKCS#8, PKCS#1 and SEC 1 to the same key', () => {
  const cases = [
    { key: ec('prime256v1'), type: 'ec-p256', legacy: 'sec1' },
    { key: ec('secp384r1'), type: 'ec-p384', legacy: 'sec1' },
    { key: rsa2048, type: 'rsa-2048', legacy: 'pkcs1' },
    { key: rsa(3072), type: 'rsa-3072', legacy: 'pkcs1' },
  ] as const
  for (const { key, type, legacy } of cases) {
    const plain = readKeyPem(key.export(pkcs8) as string, 'p')
    const old = readKeyPem(key.export({ type: legacy, format: 'pem' } as never) as string, 'p')
    assert.equal(plain.type, type)
    assert.ok(plain.privateKey.equals(key))
    assert.ok(old.privateKey.equals(key))
    assert.deepEqual(old.pkcs8, plain.pkcs8)
    assert.deepEqual(plain.spki, createPublicKey(key).export({ type: 'spki', format: 'der' }))
  }
})

test('readKeyPem reads back what generateKey made', async () => {
  const key = await generateKey('ec-p384')
  const read = readKeyPem(toPem(key.pkcs8, 'PRIVATE KEY'), 'p')
  assert.deepEqual([read.type, read.pkcs8, read.spki], [key.type, key.pkcs8, key.spki])
})

test('readKeyPem passes over the EC PARAMETERS block OpenSSL writes before a key', () => {
  const parameters =
    '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
  const key = ec('prime256v1')
  const pem = parameters + (key.export({ type: 'sec1', format: 'pem' }) as string)
  assert.ok(readKeyPem(pem, 'p').privateKey.equals(key))
  refuses(parameters, /holds no private key/)
})

test('readKeyPem refuses weak and unserved kinds of key by name', () => {
  refuses(rsa(1024).export(pkcs8) as string, /RSA key of 1024 bits, which is too weak; .*RSA 2048/)
  refuses(rsa(2056).export(pkcs8) as string, /RSA key of 2056 bits; /)
  refuses(ec('secp256k1').export(pkcs8) as string, /EC key on secp256k1/)
  refuses(ec('secp521r1').export(pkcs8) as string, /EC key on secp521r1/)
  const { privateKey: ed25519 } = generateKeyPairSync('ed25519')
  refuses(ed25519.export(pkcs8) as string, /key of type ed25519/)
  const { privateKey: pss } = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  refuses(pss.export(pkcs8) as string, /key of type rsa-pss/)
})

test('readKeyPem says that an encrypted key is encrypted, in both forms', () => {
  const lock = { cipher: 'aes-256-cbc', passphrase: 'x' } as const
  refuses(rsa2048.export({ ...pkcs8, ...lock }) as string, /is encrypted/)
  refuses(rsa2048.export({ type: 'pkcs1', format: 'pem', ...lock }) as string, /is encrypted/)
})

test('readKeyPem refuses what is not exactly one private key', () => {
  const one = rsa2048.export(pkcs8) as string
  refuses('', /no private key/)
  refuses(one + one, /more than one PEM block/)
  refuses(
    createPublicKey(rsa2048).export({ type: 'spki', format: 'pem' }) as string,
    /PUBLIC KEY block/,
  )
  refuses(
    one.replaceAll('PRIVATE KEY', 'CERTIFICATE'),
    /CERTIFICATE block; a private key is expected/,
  )
  refuses(toPem(Buffer.from('3003020100', 'hex'), 'PRIVATE KEY'), /does not hold a private/)
  refuses(one.slice(0, 400), /no END line/)
})

test('readKeyPem refuses bytes after the key within its block', () => {
  const der = rsa2048.export({ type: 'pkcs8', format: 'der' })
  refuses(
    toPem(Buffer.concat([der, Buffer.from([0])]), 'PRIVATE KEY'),
    /does not hold a private key/,
  )
})

test('readKeyPem refuses a file whose public half is another key’s', async () => {
  const [mine, other] = [await generateKey('ec-p256'), await generateKey('ec-p256')]
  const point = other.spki.subarray(-64)
  const spliced = Buffer.concat([mine.pkcs8.subarray(0, -64), point])
  refuses(toPem(spliced, 'PRIVATE KEY'), /do not fit|does not hold/)
})

test('isEcKeyOf takes a key made here for its own public half alone', async () => {
  for (const type of ['ec-p256', 'ec-p384'] as const) {
    const [one, other] = [await generateKey(type), await generateKey(type)]
    assert.equal(isEcKeyOf(one.spki, one.pkcs8), true)
    assert.equal(isEcKeyOf(other.spki, one.pkcs8), false)
    for (let at = 0; at < one.spki.length; at++) {
      const changed = Buffer.from(one.spki)
      changed[at] = (changed[at] ?? 0) ^ 1
      assert.equal(isEcKeyOf(changed, one.pkcs8), false, `${type} byte ${at} of the public key`)
    }
    const scalarBytes = type === 'ec-p256' ? 32 : 48
    const scalarAt = one.pkcs8.length - 5 - (1 + 2 * scalarBytes) - scalarBytes
    for (let at = 0; at < one.pkcs8.length; at++) {
      if (at >= scalarAt && at < scalarAt + scalarBytes) continue
      const changed = Buffer.from(one.pkcs8)
      changed[at] = (changed[at] ?? 0) ^ 1
      assert.equal(isEcKeyOf(one.spki, changed), false, `${type} byte ${at} of the private key`)
    }
  }
  const rsa = await generateKey('rsa-2048')
  assert.equal(isEcKeyOf(rsa.spki, rsa.pkcs8), false)
})
