import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { keepFiles } from '../../../src/files/keep-files.ts'
import type { KeptFiles } from '../../../src/files/keep-files.ts'
import { writtenOnce } from '../../../src/files/once.ts'
import { createManualClock, settle } from '../../fakes/clock.ts'
import { temporaryFolder } from '../../fakes/folder.ts'
import { createSeededRandom } from '../../fakes/random.ts'
import {
  ca,
  config,
  createFakeSource,
  createLines,
  fault,
  jwt,
  jwtBundles,
  otherCa,
  svid,
  update,
} from './setting.ts'

function setting(t: TestContext, text: string) {
  const folder = temporaryFolder(t)
  const clock = createManualClock()
  const { log, lines } = createLines(clock)
  const client = createFakeSource()
  let changes = 0
  const ids = { userId: () => undefined, groupId: () => undefined }
  const start = (): KeptFiles => {
    const kept = keepFiles(config(folder, text), {
      client,
      clock,
      random: createSeededRandom('keep'),
      log,
      uid: process.geteuid?.() ?? 0,
      ids,
      changed: () => (changes += 1),
    })
    kept.ended.catch(() => undefined)
    t.after(() => kept.close())
    return kept
  }
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const faults = (kept: KeptFiles) => kept.items.map(({ state }) => state.current.fault?.code)
  return { folder, clock, lines, client, start, read, faults, changes: () => changes }
}

const PAIR = 'certFile: c.pem, keyFile: k.pem'

test('keepFiles writes each update, and tells of changes only', async (t) => {
  const { folder, client, start, read, changes } = setting(t, `x509: [{ ${PAIR} }]`)
  start()
  const one = await svid('web')
  await client.x509(update([one]))
  const first = read('c.pem')
  assert.equal(statSync(join(folder, 'k.pem')).mode & 0o777, 0o600)
  assert.equal(changes(), 1)
  await client.x509(update([one]))
  assert.equal(changes(), 1)
  await client.x509(update([await svid('web')]))
  assert.notEqual(read('c.pem'), first)
  assert.equal(changes(), 2)
})

test('at the start a change is told once everything has got as far as it gets', async (t) => {
  const text = `x509: [{ ${PAIR} }, { hint: other, bundleFile: b.pem }]
jwt: [{ audience: [vault], file: t }]
jwtBundles: [{ trustDomain: example.org, file: j }]`
  const { clock, client, start, read, faults, changes } = setting(t, text)
  client.token = jwt('token', { issuedAt: clock.now(), expiresAt: clock.now() + 600_000 })
  const kept = start()
  await settle()
  assert.equal(read('t'), 'token')
  await client.jwtBundles(jwtBundles('k1'))
  assert.equal(changes(), 0)
  await client.x509(update([await svid('web')]))
  assert.deepEqual(faults(kept), [undefined, 'no_identity', undefined, undefined])
  assert.equal(changes(), 1)
  await client.jwtBundles(jwtBundles('k2'))
  assert.match(read('j'), /"k2"/)
  assert.equal(changes(), 2)
})

test('when the identity is taken away, or the agent goes, the files stay, and it is said once for all of them', async (t) => {
  const text = `x509: [{ ${PAIR} }, { bundleFile: b.pem }]`
  const { client, lines, start, read, faults, changes } = setting(t, text)
  const kept = start()
  const one = await svid('web')
  await client.x509(update([one]))
  const before = [read('c.pem'), read('k.pem'), read('b.pem')]
  for (const code of ['unreachable', 'no_identity', 'no_identity'] as const) {
    client.fault(fault(code))
    assert.deepEqual(faults(kept), [code, code])
  }
  assert.deepEqual([read('c.pem'), read('k.pem'), read('b.pem')], before)
  assert.deepEqual(lines.slice(2), [
    'warn the agent has no answer; the files stay as they are',
    'error no identity is given; its files stay as they are',
  ])
  await client.x509(update([one]))
  assert.deepEqual(faults(kept), [undefined, undefined])
  assert.equal(changes(), 2, 'once for each item, at the first update')
})

test('a file that cannot be written is no reason to leave the others', async (t) => {
  const text = `x509: [{ certFile: shut/c.pem, keyFile: k.pem }, { bundleFile: b.pem }]`
  const { folder, clock, client, start, read, faults } = setting(t, text)
  const kept = start()
  mkdirSync(join(folder, 'shut'))
  chmodSync(join(folder, 'shut'), 0o777)
  await client.x509(update([await svid('web')]))
  assert.deepEqual(faults(kept), ['file_unwritable', undefined])
  assert.match(read('b.pem'), /CERTIFICATE/)
  assert(!readdirSync(folder).includes('k.pem'), 'no key without its certificate')
  chmodSync(join(folder, 'shut'), 0o755)
  await clock.advance(1_000)
  assert.deepEqual(faults(kept), [undefined, undefined])
  assert.match(read('k.pem'), /PRIVATE KEY/)
})

test('federated bundles come and go in a folder of their own', async (t) => {
  const { client, start, folder } = setting(t, 'x509: [{ federatedFolder: partners }]')
  start()
  const web = await svid('web')
  const shown = (): readonly string[] =>
    readdirSync(join(folder, 'partners')).filter((name) => name.endsWith('.pem'))
  await client.x509(update([web], { 'a.test': [otherCa.der], 'b.test': [ca.der] }))
  assert.deepEqual(shown(), ['a.test.pem', 'b.test.pem'])
  await client.x509(update([web], { 'b.test': [ca.der] }))
  assert.deepEqual(shown(), ['b.test.pem'])
})

test('check() puts right what others have changed', async (t) => {
  const { folder, client, start, read, changes } = setting(t, `x509: [{ ${PAIR} }]`)
  const kept = start()
  await client.x509(update([await svid('web')]))
  const before = read('c.pem')
  writeFileSync(join(folder, 'c.pem'), 'x')
  kept.check()
  assert.equal(read('c.pem'), before)
  assert.equal(changes(), 2)
})

test('a user or group that is not there is a fault of the configuration, before the agent is asked', (t) => {
  for (const key of ['owner', 'group']) {
    const { start } = setting(t, `x509: [{ ${PAIR}, ${key}: nobody-here }]`)
    assert.throws(start, {
      code: 'config_invalid',
      message: /^x509\[0\]\.(owner|group): there is no/,
    })
  }
})

test('an answer that asking again would only repeat ends it', async (t) => {
  const { client, start } = setting(t, `x509: [{ ${PAIR} }]`)
  const kept = start()
  client.refuse(fault('unsupported'))
  await assert.rejects(kept.ended, { code: 'unsupported' })
})

test('writtenOnce() waits for an agent and an identity that come late', async (t) => {
  const { clock, client, start } = setting(t, `x509: [{ ${PAIR} }]`)
  const done = writtenOnce(start(), { clock, timeoutMs: 60_000 })
  client.fault(fault('unreachable'))
  client.fault(fault('no_identity'))
  await clock.advance(50_000)
  await client.x509(update([await svid('web')]))
  await done
})

test('writtenOnce() ends with what kept the files from being written', async (t) => {
  const two = `x509: [{ ${PAIR} }, { bundleFile: b.pem, hint: other }]`
  const cases = [
    ['not_ready', /no answer yet/, () => undefined],
    ['unreachable', /x509\[0\]: gone/, (s) => s.client.fault(fault('unreachable', 'gone'))],
    ['no_identity', /x509\[1\]: none/, (s) => s.client.fault(fault('no_identity', 'none'))],
    [
      'no_identity',
      /x509\[1\]: the agent gives no identity of the hint/,
      async (s) => {
        await s.client.x509(update([await svid('web')]))
      },
    ],
  ] as const satisfies readonly (readonly [
    string,
    RegExp,
    (s: ReturnType<typeof setting>) => unknown,
  ])[]
  for (const [code, message, say] of cases) {
    const s = setting(t, two)
    const kept = s.start()
    const done = writtenOnce(kept, { clock: s.clock, timeoutMs: 60_000 })
    const refused = assert.rejects(done, { code, message })
    await say(s)
    await s.clock.advance(60_000)
    await refused
    kept.close()
    assert.equal(s.clock.pending, 0, 'no timer is left')
  }
})

test('writtenOnce() does not wait for what waiting does not mend', async (t) => {
  const shut = setting(t, `x509: [{ ${PAIR} }]`)
  chmodSync(shut.folder, 0o777)
  const done = writtenOnce(shut.start(), { clock: shut.clock, timeoutMs: 60_000 })
  await shut.client.x509(update([await svid('web')]))
  await assert.rejects(done, { code: 'file_unwritable', message: /may be written by its group/ })
  const refused = setting(t, `x509: [{ ${PAIR} }]`)
  const ended = writtenOnce(refused.start(), { clock: refused.clock, timeoutMs: 60_000 })
  refused.client.refuse(fault('unsupported'))
  await assert.rejects(ended, { code: 'unsupported' })
})
