import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { readKeyDer } from '../../../src/certs/keys.ts'
import { readCertificatesPem } from '../../../src/certs/parse.ts'
import { openPkcs12 } from '../../../src/certs/pkcs12/open.ts'
import type { Pkcs12Contents } from '../../../src/certs/pkcs12/open.ts'
import { makePkcs12 } from '../../fakes/pkcs12.ts'
import type { Pkcs12Parts } from '../../fakes/pkcs12.ts'

const PLACES = { place: 'ca.p12', passwordPlace: 'password' }
const PASSWORD = 'correct horse'

const open = (file: Uint8Array, password = PASSWORD): Promise<Pkcs12Contents> =>
  openPkcs12(file, password, PLACES)

/** A self-signed certificate of `key`, by openssl. */
function certificateOf(key: string, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-pkcs12-'))
  const file = join(folder, 'key.pem')
  writeFileSync(file, key)
  const args = ['req', '-x509', '-new', '-key', file, '-subj', `/CN=${name}`, '-days', '9']
  const run = spawnSync('openssl', args, { encoding: 'utf8' })
  rmSync(folder, { recursive: true })
  assert.equal(run.status, 0, run.stderr)
  return run.stdout
}

const pem = { type: 'pkcs8', format: 'pem' } as const
const KEYS = {
  'ec-p256': generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pem).toString(),
  'ec-p384': generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export(pem).toString(),
  'rsa-2048': generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pem).toString(),
}
const CERTIFICATES = {
  'ec-p256': certificateOf(KEYS['ec-p256'], 'p256'),
  'ec-p384': certificateOf(KEYS['ec-p384'], 'p384'),
  'rsa-2048': certificateOf(KEYS['rsa-2048'], 'rsa'),
}
type KeyName = keyof typeof KEYS
const NAMES = Object.keys(KEYS) as KeyName[]

function made(t: TestContext, more: Partial<Pkcs12Parts> = {}): Buffer {
  const key = KEYS['ec-p256']
  const certificates = CERTIFICATES['ec-p256']
  const file = makePkcs12(t, { key, certificates, password: PASSWORD, ...more })
  assert(file !== undefined, 'openssl makes no such file')
  return file
}

const FORMS = {
  'as OpenSSL 3 writes it (AES-256-CBC, SHA-256)': [],
  'as OpenSSL 1 wrote it (RC2-40, 3DES, SHA-1)': ['-legacy'],
  'AES-128-CBC and a MAC of SHA-512': [
    '-keypbe',
    'AES-128-CBC',
    '-certpbe',
    'AES-128-CBC',
    '-macalg',
    'sha512',
  ],
  '3DES under PBES1': ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
  'nothing encrypted, and a MAC': ['-keypbe', 'NONE', '-certpbe', 'NONE'],
  'one iteration': ['-iter', '1'],
}

for (const [form, args] of Object.entries(FORMS))
  test(`openPkcs12() gives key and certificate back byte by byte: ${form}`, async (t) => {
    for (const name of NAMES) {
      const parts = { key: KEYS[name], certificates: CERTIFICATES[name] }
      const file = makePkcs12(t, { ...parts, password: PASSWORD, args })
      if (file === undefined) return t.skip(`this openssl cannot: ${args.join(' ')}`)
      const { keys, certificates } = await open(file)
      assert.deepEqual(certificates, readCertificatesPem(parts.certificates, 'test'))
      assert.equal(keys.length, 1)
      const pair = readKeyDer(keys[0]!, 'test')
      assert.equal(pair.type, name)
      assert(pair.privateKey.equals(createPrivateKey(KEYS[name])))
    }
  })

test('openPkcs12() gives every certificate of a file, and none of a key that is not there', async (t) => {
  const all = Object.values(CERTIFICATES).join('')
  const whole = await open(made(t, { certificates: all }))
  const ders = (list: readonly Buffer[]): string[] => list.map((der) => der.toString('hex')).sort()
  assert.deepEqual(ders(whole.certificates), ders(readCertificatesPem(all, 'test')))
  const bare = await open(makePkcs12(t, { certificates: all, password: PASSWORD })!)
  assert.deepEqual(bare.keys, [])
  assert.equal(bare.certificates.length, 3)
})

test('openPkcs12() takes passwords of any letters, and none', async (t) => {
  for (const args of [[], ['-legacy']])
    for (const password of ['', ' pass word ', 'pässwörd', '密码🔑', 'x'.repeat(300)]) {
      const file = makePkcs12(t, {
        key: KEYS['ec-p256'],
        certificates: CERTIFICATES['ec-p256'],
        password,
        args,
      })
      if (file === undefined) return t.skip(`this openssl cannot: ${args.join(' ')}`)
      assert.equal((await open(file, password)).keys.length, 1, JSON.stringify(password))
    }
})

const fault = (said: RegExp) => ({ code: 'certificate_invalid', message: said })

test('openPkcs12() tells a wrong password from a file that is none', async (t) => {
  const file = made(t)
  const wrong = /^password: does not hold the password of ca\.p12/
  await assert.rejects(open(file, 'correct horse\n'), fault(wrong))
  await assert.rejects(open(file, ''), fault(wrong))
  const none = /^ca\.p12: is not a PKCS#12 file, or is damaged$/
  await assert.rejects(open(Buffer.from('text')), fault(none))
  await assert.rejects(open(Buffer.alloc(0)), fault(none))
  await assert.rejects(open(file.subarray(0, -10)), fault(none))
  await assert.rejects(open(Buffer.from(CERTIFICATES['ec-p256'])), fault(/^ca\.p12: is PEM/))
})

test('openPkcs12() refuses what it cannot check, does not know, or would take too long', async (t) => {
  await assert.rejects(open(made(t, { args: ['-nomac'] })), fault(/^ca\.p12: has no MAC/))
  const slow = made(t, { args: ['-iter', '100001'] })
  await assert.rejects(open(slow), fault(/^ca\.p12: takes more than 100,000 iterations/))
  const strange = makePkcs12(t, {
    key: KEYS['ec-p256'],
    certificates: CERTIFICATES['ec-p256'],
    password: PASSWORD,
    args: ['-keypbe', 'PBE-SHA1-RC4-128', '-legacy'],
  })
  if (strange !== undefined)
    await assert.rejects(open(strange), fault(/in a way that is not known/))
  const odd = made(t, { args: ['-macalg', 'sha224'] })
  await assert.rejects(open(odd), fault(/has a MAC that is not known here \(2\.16\./))
})

test('openPkcs12() notices every changed byte of what the MAC covers, and never fails in another way', async (t) => {
  const file = made(t, { args: ['-iter', '1'] })
  const { keys, certificates } = await open(file)
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const changed = Buffer.from(file)
      changed[at] = changed[at]! ^ by
      const opened = await open(changed).catch((thrown: unknown) => thrown as Error)
      if (opened instanceof Error) {
        assert.equal(
          (opened as Error & { code?: string }).code,
          'certificate_invalid',
          opened.stack,
        )
        assert(!opened.message.includes(PASSWORD))
      } else assert.deepEqual(opened, { keys, certificates })
    }),
    { numRuns: 300 },
  )
})
