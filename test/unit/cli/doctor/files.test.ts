import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { createJwtSlotStore } from '../../../../src/authority/jwt/jwt-slot.ts'
import { createJwtAuthority } from '../../../../src/authority/jwt/jwt-slots.ts'
import {
  bundleVerdicts,
  life,
  readFiles,
  storedAuthority,
  storedJwtKeys,
} from '../../../../src/cli/doctor/files.ts'
import type { Verdict } from '../../../../src/cli/doctor/verdict.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { createStateFile } from '../../../fakes/state-file.ts'
import { createOperatorCa } from '../../../fakes/operator-ca.ts'

const NOW = Date.UTC(2030, 0, 1)
const HOUR = 3_600_000
const DAY = 24 * HOUR
const clock = createManualClock({ now: NOW })

const ENTRIES = { entries: [{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1'] }] }

function configure(t: TestContext, more: object = {}, entries: unknown = ENTRIES): string {
  const folder = temporaryFolder(t)
  writeIn(folder, 'entries.yaml', stringify(entries))
  const config = {
    trustDomain: 'example.org',
    stateDir: 'state',
    entries: { file: 'entries.yaml' },
  }
  return writeIn(folder, 'agent.yaml', stringify({ ...config, ...more }))
}

const told = (verdicts: readonly Verdict[]): readonly string[] =>
  verdicts.map(({ check, level }) => `${level} ${check}`)

test('readFiles reads the configuration and each file it names, and judges them one by one', async (t) => {
  const good = await readFiles(configure(t), true)
  assert.deepEqual(told(good.verdicts), ['ok configuration', 'ok entries'])
  assert.deepEqual([...(good.registry?.kinds ?? [])], ['unix:uid'])
  const file = configure(t, { bundles: { 'partner.test': { file: 'none.pem' } } }, { entries: 7 })
  const bad = await readFiles(file, true)
  assert.deepEqual(told(bad.verdicts), [
    'ok configuration',
    'fail entries',
    'fail bundle partner.test',
  ])
  assert.equal(bad.verdicts[1]?.where, join(file, '../entries.yaml'))
  assert.equal(bad.verdicts[2]?.where, join(file, '../none.pem'))
  assert.equal(bad.registry, undefined)
  const worse = await readFiles(configure(t, { socket: 7 }), true)
  assert.deepEqual(told(worse.verdicts), ['fail configuration'])
  assert.match(worse.verdicts[0]?.detail ?? '', /socket/)
  const warned = await readFiles(configure(t, { svid: { ttl: '20s' } }), true)
  assert.equal(told(warned.verdicts)[0], 'warn configuration')
})

test('readFiles takes a configuration that is missing amiss only where it was named', async (t) => {
  const none = join(temporaryFolder(t), 'none.yaml')
  assert.deepEqual(told((await readFiles(none, true)).verdicts), ['fail configuration'])
  assert.deepEqual(told((await readFiles(none, false)).verdicts), ['warn configuration'])
})

test('readFiles says of the configuration of a server that it is one', async (t) => {
  const text = stringify({ trustDomain: 'example.org', listen: '0.0.0.0:8081' })
  const file = writeIn(temporaryFolder(t), 'server.yaml', text)
  const { verdicts } = await readFiles(file, true)
  assert.deepEqual(told(verdicts), ['fail configuration'])
  assert.match(verdicts[0]?.detail ?? '', /is a server's configuration/)
})

test('bundleVerdicts tells how long the bundles of others are good for', async (t) => {
  const ca = (name: string, end: number) =>
    createOperatorCa({ name, notBefore: NOW - 10 * DAY, notAfter: NOW + end })
  const [old, short, long] = await Promise.all([ca('o', -1), ca('s', HOUR), ca('l', 5 * DAY)])
  const verdictOf = async (pem: string): Promise<string> => {
    const file = configure(t, { bundles: { 'partner.test': { file: 'partner.pem' } } })
    writeIn(join(file, '..'), 'partner.pem', pem)
    const { config } = await readFiles(file, true)
    assert(config !== undefined)
    const [verdict] = bundleVerdicts(config, clock)
    return `${verdict?.level} ${verdict?.detail}`
  }
  assert.equal(await verdictOf(old.certPem), 'fail each of its authorities has expired')
  assert.equal(await verdictOf(old.certPem + short.certPem), 'warn its last authority ends in 1h')
  assert.equal(await verdictOf(short.certPem + long.certPem), 'ok its last authority ends in 5d')
})

test('storedAuthority tells when the CA of an agent that does not run ends', async (t) => {
  const embedded = (await readFiles(configure(t), true)).config
  assert(embedded !== undefined)
  assert.match((await storedAuthority(embedded, clock)).detail, /^there is no CA yet/)
  writeIn(embedded.stateDir, 'authority-embedded.json', '{"version": 7}')
  const unreadable = await storedAuthority(embedded, clock)
  assert.equal(unreadable.level, 'warn')
  assert.match(unreadable.detail, /version is not/)

  const ca = await createOperatorCa({ name: 'op', notBefore: NOW - DAY, notAfter: NOW + 2 * HOUR })
  const folder = temporaryFolder(t)
  const authority = {
    kind: 'disk',
    certFile: writeIn(folder, 'ca.pem', ca.certPem),
    keyFile: writeIn(folder, 'ca-key.pem', ca.keyPem),
  }
  const { chmodSync } = await import('node:fs')
  chmodSync(authority.keyFile, 0o600)
  const disk = (await readFiles(configure(t, { authority }), true)).config
  assert(disk !== undefined)
  const ending = await storedAuthority(disk, clock)
  assert.deepEqual(
    [ending.level, ending.detail],
    ['warn', 'the CA that signs ends in 2h, less than an eighth of its life'],
  )
})

test('life() fails a CA that has expired and warns in its last eighth', () => {
  const about = { check: 'authority life' }
  assert.equal(life(about, 0, 8 * HOUR).level, 'fail')
  assert.equal(life(about, HOUR - 1, 8 * HOUR).level, 'warn')
  assert.equal(life(about, HOUR, 8 * HOUR).level, 'ok')
})

test('storedJwtKeys tells whether the keys for JWT-SVIDs of an agent that does not run can be read', async (t) => {
  const { config } = await readFiles(configure(t), true)
  assert(config !== undefined)
  assert.match(storedJwtKeys(config, clock).detail, /^there is none yet/)
  const file = createStateFile()
  const { trustDomain } = config
  const authority = await createJwtAuthority({
    trustDomain,
    keyType: 'ec-p256',
    keyTtlMs: HOUR,
    clock,
    random: createSeededRandom('doctor'),
    store: createJwtSlotStore(file, trustDomain),
  })
  await authority.prepare()
  await authority.close()
  writeIn(config.stateDir, 'authority-jwt.json', file.text ?? '')
  assert.deepEqual(told([storedJwtKeys(config, clock)]), ['ok JWT keys'])
  assert.equal(storedJwtKeys(config, clock).detail, '2 are kept')
  writeIn(config.stateDir, 'authority-jwt.json', file.text?.replace('"active"', '"old"') ?? '')
  const { level, detail } = storedJwtKeys(config, clock)
  assert.deepEqual([level, /sha256/.test(detail)], ['warn', true])
})
