/** The leaf encoder against readers that share no line with it: Go's crypto/x509, @peculiar/x509 and OpenSSL. */
import 'reflect-metadata'
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import * as x509 from '@peculiar/x509'
import { parseCertificate, toPem } from '../../src/certs/parse.ts'
import { EXTENSIONS, leafCases, type LeafCase } from './leaf-cases.ts'

const COUNT = 1000
const OPENSSL_COUNT = 50
const seed = Date.now() & 0x7fffffff
const run = promisify(execFile)
const folder = await mkdtemp(join(tmpdir(), 'spindle-leaf-'))
after(() => rm(folder, { recursive: true }))
const cases = await leafCases(COUNT, seed)
const byPeculiar = cases.map(({ leaf }) => new x509.X509Certificate(new Uint8Array(leaf)))

/** A comparison that names the seed, so that a failure can be had again. */
function same(actual: unknown, expected: unknown, index: number): void {
  assert.deepEqual(
    actual,
    expected,
    `case ${index} of seed ${seed}:\n${toPem(cases[index]?.leaf ?? Buffer.alloc(0), 'CERTIFICATE')}`,
  )
}

/** False, having skipped the test, where `command` is not on this machine; CI must have it. */
async function available(t: TestContext, command: string, argument: string): Promise<boolean> {
  try {
    await run(command, [argument])
    return true
  } catch (thrown) {
    if (process.env['CI'] === 'true') throw thrown
    t.skip(`${command} is not on this machine`)
    return false
  }
}

interface GoSeen {
  readonly fault: string
  readonly version: number
  readonly serial: string
  readonly subject: readonly string[]
  readonly issuer: string
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: string
  readonly uris: readonly string[]
  readonly dns: readonly string[]
  readonly otherNames: number
  readonly ca: boolean
  readonly pathLen: number
  readonly keyUsage: number
  readonly purposes: readonly number[]
  readonly otherPurposes: number
  readonly subjectKeyId: string
  readonly authorityKeyId: string
  readonly extensions: readonly { readonly oid: string; readonly critical: boolean }[]
  readonly unhandled: number
}

test(`Go reads and verifies ${COUNT} random leaves, field by field`, async (t) => {
  if (!(await available(t, 'go', 'version'))) return
  const program = join(folder, 'go-x509')
  const source = join(import.meta.dirname, 'go-x509')
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly', GOWORK: 'off' }
  await run('go', ['build', '-o', program, '.'], { cwd: source, env })

  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  for (const { leaf, ca } of cases) {
    child.stdin.write(
      `${JSON.stringify({ leaf: leaf.toString('base64'), ca: ca.toString('base64') })}\n`,
    )
  }
  child.stdin.end()
  const lines = (await text(child.stdout)).trimEnd().split('\n')
  assert.deepEqual(await closed, [0, null])

  assert.equal(lines.length, COUNT)
  for (const [index, { leaf, expected }] of cases.entries()) {
    const { keyEncipherment, issuerName, ...rest } = expected
    same(
      JSON.parse(lines[index] ?? '') as GoSeen,
      {
        ...rest,
        fault: '',
        version: 3,
        issuer: issuerName,
        otherNames: 0,
        ca: false,
        pathLen: -1,
        keyUsage: keyEncipherment ? 1 | 4 : 1,
        // Go's numbers for serverAuth and clientAuth
        purposes: [1, 2],
        otherPurposes: 0,
        subjectKeyId: parseCertificate(leaf, 'leaf').subjectKeyId,
        extensions: EXTENSIONS,
        unhandled: 0,
      } satisfies GoSeen,
      index,
    )
  }
})

test(`@peculiar/x509 reads and verifies ${COUNT} random leaves, field by field`, async () => {
  const authorities = new Map<Buffer, x509.X509Certificate>()
  for (const [index, { ca, expected }] of cases.entries()) {
    const seen = byPeculiar[index]
    const authority = authorities.get(ca) ?? new x509.X509Certificate(new Uint8Array(ca))
    authorities.set(ca, authority)
    assert.ok(seen)
    const constraints = seen.getExtension(x509.BasicConstraintsExtension)
    const names = seen.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? []
    const { keyEncipherment, issuerName, subject, ...rest } = expected
    same(
      {
        serial: seen.serialNumber.toUpperCase().replace(/^0+/, ''),
        subject: oidNames(seen.subjectName),
        issuer: Buffer.from(seen.issuerName.toArrayBuffer()).toString('base64'),
        notBefore: seen.notBefore.getTime() / 1000,
        notAfter: seen.notAfter.getTime() / 1000,
        spki: Buffer.from(seen.publicKey.rawData).toString('base64'),
        // In one list, because the order counts: DNS names, then the URI.
        names: names.map(({ type, value }) => `${type} ${value}`),
        constraints: [constraints?.ca, constraints?.pathLength],
        keyUsage: seen.getExtension(x509.KeyUsagesExtension)?.usages,
        purposes: Array.from(seen.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? []),
        authorityKeyId: seen.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId,
        extensions: Array.from(seen.extensions, ({ type, critical }) => ({ oid: type, critical })),
        signature: await seen.verify({ publicKey: authority, signatureOnly: true }),
      },
      {
        serial: rest.serial,
        subject,
        issuer: issuerName,
        notBefore: rest.notBefore,
        notAfter: rest.notAfter,
        spki: rest.spki,
        names: [...rest.dns.map((name) => `dns ${name}`), ...rest.uris.map((uri) => `url ${uri}`)],
        constraints: [false, undefined],
        keyUsage:
          x509.KeyUsageFlags.digitalSignature |
          (keyEncipherment ? x509.KeyUsageFlags.keyEncipherment : 0),
        purposes: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
        authorityKeyId: rest.authorityKeyId,
        extensions: EXTENSIONS,
        signature: true,
      },
      index,
    )
  }
})

function oidNames(name: x509.Name): readonly string[] {
  const oids: Readonly<Record<string, string>> = { C: '2.5.4.6', O: '2.5.4.10', CN: '2.5.4.3' }
  return name
    .toJSON()
    .flatMap((attribute) =>
      Object.entries(attribute).flatMap(([type, values]) =>
        values.map((value) => `${oids[type] ?? type}=${String(value)}`),
      ),
    )
}

test(`our own reader agrees with @peculiar/x509 on ${COUNT} random leaves and their CAs`, () => {
  for (const [index, { leaf, expected }] of cases.entries()) {
    const own = parseCertificate(leaf, 'leaf')
    const keyId = byPeculiar[index]?.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId
    same([own.uriSans, own.dnsSans], [expected.uris, expected.dns], index)
    same([own.subjectKeyId, own.serial.replace(/^0/, '')], [keyId, expected.serial], index)
    same(
      [own.notBefore, own.notAfter],
      [expected.notBefore * 1000, expected.notAfter * 1000],
      index,
    )
  }
  for (const ca of new Set(cases.map((one) => one.ca))) {
    const own = parseCertificate(ca, 'ca')
    const authority = new x509.X509Certificate(new Uint8Array(ca))
    const constraints = authority.getExtension(x509.BasicConstraintsExtension)
    assert.deepEqual([own.basicConstraints?.ca, constraints?.ca], [true, true])
    assert.equal(own.serial, authority.serialNumber.toUpperCase())
  }
})

test(`OpenSSL verifies ${OPENSSL_COUNT} of them strictly in both TLS roles, and prints the same`, async (t) => {
  if (!(await available(t, 'openssl', 'version'))) return
  const sample = cases.slice(0, OPENSSL_COUNT)
  const authorities = join(folder, 'ca.pem')
  const pems = new Set(sample.map(({ ca }) => toPem(ca, 'CERTIFICATE')))
  await writeFile(authorities, [...pems].join(''))
  const files = sample.map((_, index) => join(folder, `${index}.pem`))
  for (const [index, { leaf }] of sample.entries()) {
    await writeFile(files[index] ?? '', toPem(leaf, 'CERTIFICATE'))
  }
  for (const purpose of ['sslserver', 'sslclient']) {
    const checks = ['-x509_strict', '-no_check_time', '-check_ss_sig', '-purpose', purpose]
    const { stdout } = await run('openssl', ['verify', ...checks, '-CAfile', authorities, ...files])
    assert.equal(stdout, files.map((file) => `${file}: OK\n`).join(''))
  }
  const all = join(folder, 'all.pem')
  await writeFile(all, sample.map(({ leaf }) => toPem(leaf, 'CERTIFICATE')).join(''))
  const { stdout } = await run('openssl', ['storeutl', '-noout', '-text', '-certs', all], {
    maxBuffer: 1 << 24,
  })
  const printed = stdout.split(/^Certificate:$/m).slice(1)
  assert.equal(printed.length, OPENSSL_COUNT)
  for (const [index, one] of sample.entries())
    same(opensslSeen(printed[index] ?? ''), opensslExpected(one), index)
})

/** What OpenSSL prints, as lines without indentation. */
function opensslSeen(printed: string): Readonly<Record<string, string | undefined>> {
  const lines = printed.split('\n').map((line) => line.trim())
  const after = (start: string): string | undefined =>
    lines.find((line) => line.startsWith(start))?.slice(start.length)
  const below = (start: string): string | undefined =>
    lines[lines.findIndex((line) => line.startsWith(start)) + 1]
  return {
    notBefore: after('Not Before: '),
    notAfter: after('Not After : '),
    // Versions of OpenSSL differ in the blanks around it.
    subject: after('Subject: ')?.replaceAll(' = ', '='),
    names: below('X509v3 Subject Alternative Name:'),
    keyUsage: below('X509v3 Key Usage: critical'),
    purposes: below('X509v3 Extended Key Usage:'),
    constraints: below('X509v3 Basic Constraints: critical'),
    authorityKeyId: below('X509v3 Authority Key Identifier:')?.replaceAll(':', '').toLowerCase(),
  }
}

function opensslExpected({ expected }: LeafCase): ReturnType<typeof opensslSeen> {
  const commonName = expected.subject[2]?.split('=')[1]
  const names = [
    ...expected.dns.map((name) => `DNS:${name}`),
    ...expected.uris.map((uri) => `URI:${uri}`),
  ]
  return {
    notBefore: opensslTime(expected.notBefore),
    notAfter: opensslTime(expected.notAfter),
    subject: `C=US, O=Spindle${commonName === undefined ? '' : `, CN=${commonName}`}`,
    names: names.join(', '),
    keyUsage: expected.keyEncipherment
      ? 'Digital Signature, Key Encipherment'
      : 'Digital Signature',
    purposes: 'TLS Web Server Authentication, TLS Web Client Authentication',
    constraints: 'CA:FALSE',
    authorityKeyId: expected.authorityKeyId,
  }
}

/** `Nov  2 09:19:00 2026 GMT` */
function opensslTime(seconds: number): string {
  const [, day = '', month = '', year = '', clock = ''] = new Date(seconds * 1000)
    .toUTCString()
    .split(' ')
  return `${month} ${String(Number(day)).padStart(2)} ${clock} ${Number(year)} GMT`
}
