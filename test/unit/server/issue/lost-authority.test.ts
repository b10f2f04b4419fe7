import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { Issuing } from '../../../../src/server/issue/issuing.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { fleet } from './setting.ts'
import type { Server } from './setting.ts'

const X509 = 'authority-embedded.json'
const JWT = 'authority-jwt.json'

const activeOf = ({ x509 }: Issuing): string | undefined =>
  x509.state.current.slots.find(({ status }) => status === 'active')?.authorityId

/** Opens and closes; @returns what signs */
async function once(one: Server): Promise<string | undefined> {
  const issuing = await one.open()
  await issuing.close()
  return activeOf(issuing)
}

async function expectLost(one: Server, why: RegExp): Promise<void> {
  const files = readdirSync(one.stateDir).sort()
  const texts = files.map((name) => readFileSync(join(one.stateDir, name), 'utf8'))
  await assert.rejects(one.open(), (thrown) => {
    assert(thrown instanceof SpindleError)
    assert.equal(thrown.code, 'authority_lost')
    assert.match(thrown.message, why)
    assert.match(thrown.message, /put the newest copy of server-id and authority-\*\.json back/)
    assert(thrown.message.includes(`touch ${join(one.stateDir, 'new-authority')}`))
    return true
  })
  // Nothing was made in their place, and nothing taken away.
  assert.deepEqual(readdirSync(one.stateDir).sort(), files)
  assert.deepEqual(
    files.map((name) => readFileSync(join(one.stateDir, name), 'utf8')),
    texts,
  )
}

for (const [name, why] of [
  [X509, /its CA key is not there, and by the store it signs until/],
  [JWT, /its JWT key is not there, and by the store it signs until/],
  ['server-id', /it is empty, and by the store a server with it signs until/],
] as const)
  test(`a server whose ${name} is lost does not start, and goes on once it is back`, async (t) => {
    const { server, bundle } = await fleet(t)
    const one = server('a')
    const active = await once(one)
    const path = join(one.stateDir, name)
    const text = readFileSync(path)
    const before = await bundle()
    rmSync(path)
    await expectLost(one, why)
    assert.deepEqual(await bundle(), before)
    writeFileSync(path, text, { mode: 0o600 })
    assert.equal(await once(one), active)
    assert.deepEqual(await bundle(), before)
  })

for (const name of [X509, JWT, 'server-id'])
  test(`a server whose ${name} has a bit flipped does not start, and leaves it where it is`, async (t) => {
    const { server } = await fleet(t)
    const one = server('a')
    await once(one)
    const path = join(one.stateDir, name)
    const bytes = readFileSync(path)
    const at = Math.floor(bytes.length / 2)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    writeFileSync(path, bytes)
    await expectLost(
      one,
      name === 'server-id' ? /its name among the servers/ : /authority-\w+\.json/,
    )
  })

test('an operator who says so gets new authorities in the place of lost ones, and what those signed stays trusted', async (t) => {
  const { server, bundle } = await fleet(t)
  const one = server('a')
  const before = await one.open()
  await before.close()
  const [anchor] = (await bundle()).x509Authorities
  const path = join(one.stateDir, X509)
  writeFileSync(path, 'torn')
  writeFileSync(join(one.stateDir, 'new-authority'), '')
  const after = await one.open()
  assert.notEqual(activeOf(after), activeOf(before))
  assert.notEqual(after.serverId, before.serverId)
  const { x509Authorities } = await bundle()
  assert.equal(x509Authorities.length, 2)
  assert.deepEqual(x509Authorities[0], anchor)
  assert.ok(!existsSync(join(one.stateDir, 'new-authority')))
  const aside = readdirSync(one.stateDir).find((name) => name.startsWith(`${X509}.set-aside-`))
  assert.equal(readFileSync(join(one.stateDir, aside ?? ''), 'utf8'), 'torn')
  await after.close()
  assert.equal(await once(one), activeOf(after))
})

test('a new server on a PostgreSQL store makes its own authorities: those of the others are not lost', async (t) => {
  const { server, bundle } = await fleet(t)
  const postgres = 'store: { kind: postgres, url: "postgres://spindle@127.0.0.1/spindle" }'
  await once(server('a', postgres))
  await once(server('b', postgres))
  assert.equal((await bundle()).x509Authorities.length, 2)
})

test('an older copy of the state folder does not bring back what was revoked since', async (t) => {
  const { server, bundle } = await fleet(t)
  const one = server('a')
  const copy = temporaryFolder(t)
  const issuing = await one.open()
  const first = activeOf(issuing) ?? ''
  await issuing.x509.prepare()
  cpSync(one.stateDir, copy, { recursive: true })
  await issuing.x509.activate()
  const second = activeOf(issuing)
  await issuing.x509.revoke(first)
  await issuing.close()
  cpSync(copy, one.stateDir, { recursive: true })
  const again = await one.open()
  assert.equal(activeOf(again), second)
  assert.deepEqual(
    again.x509.state.current.slots.map(({ authorityId }) => authorityId),
    [second],
  )
  assert.equal((await bundle()).x509Authorities.length, 1)
})

test('what is in the state folder is put into a store that was brought back from before it', async (t) => {
  const { server, store, bundle } = await fleet(t)
  const one = server('a')
  const issuing = await one.open()
  const old = await bundle()
  await issuing.x509.prepare()
  await issuing.x509.activate()
  await issuing.close()
  const rows = await store.authorities.list()
  const active = activeOf(issuing)
  for (const row of rows)
    if (row.authorityId === active) await store.authorities.change(row, () => undefined)
  await store.bundles.change(old.trustDomain, () => old)
  assert.equal(await once(one), active)
  assert.equal((await bundle()).x509Authorities.length, 2)
})
