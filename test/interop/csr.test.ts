/** Certificate requests: ours read by Go and OpenSSL, theirs read by us. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { readCsr } from '../../src/certs/csr/read.ts'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey, KEY_TYPES } from '../../src/certs/keys.ts'
import { distinguishedName } from '../../src/certs/profile.ts'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'

const run = promisify(execFile)
const folder = await mkdtemp(join(tmpdir(), 'spindle-csr-'))
after(() => rm(folder, { recursive: true }))
const web = parseSpiffeId('spiffe://example.org/web')

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

interface GoAnswer {
  readonly fault: string
  readonly subject: string
  readonly spki: string
  readonly uris: readonly string[]
  readonly dns: readonly string[]
  readonly csr: string
}

async function askGo(jobs: readonly object[]): Promise<readonly GoAnswer[]> {
  const program = join(folder, 'go-csr')
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly', GOWORK: 'off' }
  await run('go', ['build', '-o', program, '.'], { cwd: join(import.meta.dirname, 'go-csr'), env })
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  child.stdin.end(jobs.map((job) => `${JSON.stringify(job)}\n`).join(''))
  const lines = (await text(child.stdout)).trimEnd().split('\n')
  assert.deepEqual(await closed, [0, null])
  return lines.map((line) => JSON.parse(line) as GoAnswer)
}

test('Go reads our requests, with and without a SPIFFE ID, of each kind of key, and takes the proof', async (t) => {
  if (!(await available(t, 'go', 'version'))) return
  const made = await Promise.all(
    KEY_TYPES.flatMap((type) =>
      [undefined, web].map(async (spiffeId) => {
        const key = await generateKey(type)
        const csr = await writeCsr(key, spiffeId === undefined ? {} : { spiffeId })
        return { csr, key, uris: spiffeId === undefined ? [] : [spiffeId] }
      }),
    ),
  )
  const answers = await askGo(made.map(({ csr }) => ({ csr: csr.toString('base64') })))
  assert.equal(answers.length, made.length)
  for (const [index, { csr, key, uris }] of made.entries()) {
    assert.deepEqual(answers[index], {
      fault: '',
      subject: distinguishedName('Spindle', {}).toString('base64'),
      spki: key.spki.toString('base64'),
      uris,
      dns: [],
      csr: csr.toString('base64'),
    })
    assert.deepEqual(readCsr(csr).spki, key.spki)
  }
})

test('requests that Go makes, as SPIRE does, are read as Go reads them; those of other keys are refused', async (t) => {
  if (!(await available(t, 'go', 'version'))) return
  const jobs = ['ec-p256', 'ec-p384', 'rsa-2048'].flatMap((key) => [
    { key },
    { key, uris: ['spiffe://example.org/web'] },
    { key, uris: ['spiffe://example.org'], dns: ['web.example.org', 'other.example.org'] },
    { key, uris: ['spiffe://example.org/a', 'spiffe://example.org/b'] },
  ])
  const answers = await askGo([...jobs, { key: 'ec-p521' }])
  for (const { fault, csr, spki, subject, uris, dns } of answers.slice(0, -1)) {
    assert.equal(fault, '')
    const read = readCsr(Buffer.from(csr, 'base64'))
    assert.equal(read.spki.toString('base64'), spki)
    assert.equal(read.asked.subjectName.toString('base64'), subject)
    assert.deepEqual([read.asked.uriSans, read.asked.dnsSans, read.asked.ca], [uris, dns, false])
  }
  const last = answers.at(-1)
  assert.ok(last !== undefined && last.fault === '' && last.csr !== '')
  assert.throws(() => readCsr(Buffer.from(last.csr, 'base64')), {
    code: 'request_invalid',
    message: /the public key must be EC P-256, EC P-384 or RSA/,
  })
})

const CONFIG = `
[req]
prompt = no
distinguished_name = name
req_extensions = asked
attributes = more
[name]
CN = web
[more]
challengePassword = not-a-secret
[asked]
subjectAltName = URI:spiffe://example.org/web,DNS:web.example.org
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign
extendedKeyUsage = serverAuth
`

test('requests that OpenSSL makes are read, and it takes the proof in ours', async (t) => {
  if (!(await available(t, 'openssl', 'version'))) return
  const file = (name: string): string => join(folder, name)
  await writeFile(file('asked.cnf'), CONFIG)
  const kinds = [
    ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
    ['rsa', '-pkeyopt', 'rsa_keygen_bits:2048'],
    ['rsa', '-pkeyopt', 'rsa_keygen_bits:4096', '-sha512'],
  ] as const
  for (const [index, kind] of kinds.entries()) {
    const [algorithm, , option, digest = '-sha256'] = kind
    const out = file(`${index}.der`)
    const key = ['-newkey', algorithm, '-pkeyopt', option, '-nodes', '-keyout', file('key.pem')]
    const args = ['req', '-new', ...key, digest, '-config', file('asked.cnf'), '-outform', 'DER']
    await run('openssl', [...args, '-out', out])
    const { asked } = readCsr(await readFile(out))
    assert.deepEqual(asked.uriSans, ['spiffe://example.org/web'])
    assert.deepEqual(asked.dnsSans, ['web.example.org'])
    assert.equal(asked.ca, true)
  }
  for (const type of KEY_TYPES) {
    await writeFile(file('ours.der'), await writeCsr(await generateKey(type), { spiffeId: web }))
    const args = ['req', '-verify', '-inform', 'DER', '-in', file('ours.der'), '-noout', '-text']
    const { stdout, stderr } = await run('openssl', args)
    assert.match(stderr, /verify OK/)
    assert.match(stdout, /URI:spiffe:\/\/example\.org\/web/)
  }
})
