/** The Workload API for another language: the Python package spiffe, which shares no code with go-spiffe. */
// WT-1 of docs/conformance.md.
import assert from 'node:assert/strict'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { createPartner } from '../e2e/rig/partner.ts'
import { createRig, eventually, write } from '../e2e/rig/rig.ts'
import { createForeignIssuer } from './foreign-tokens.ts'
import type { Keys } from './go-spiffe.ts'
import { pythonProgram, rotateJwtKey, startProgram } from './program.ts'

const ROTATIONS = 5
const WEB = 'spiffe://example.org/web'
const API = 'spiffe://example.org/api'

interface Svid {
  readonly id: string
  readonly serial: string
  /** Why it does not verify; '' where it does. */
  readonly fault: string
}

interface Update {
  readonly from: 'X509Source' | 'JwtSource'
  readonly svids?: readonly Svid[]
  readonly x509?: Keys
  readonly jwt?: Keys
}

interface Answer {
  readonly svids?: readonly Svid[]
  readonly x509?: Keys
  readonly jwt?: Keys
  readonly tokens?: readonly { readonly id: string; audience: readonly string[]; token: string }[]
  readonly error?: string
  /** The class of the error. */
  readonly kind?: string
}

test(`Python spiffe: an X509Source follows ${ROTATIONS} rotations and a new CA; a client has context and bundles`, async (t) => {
  const rig = createRig(t)
  const program = pythonProgram(t)
  if (program === undefined) return
  const partner = await createPartner('partner.test')
  const bundleFile = join(rig.folder, 'partner.pem')
  write(bundleFile, partner.pem)
  const selectors = (): string[] => [`unix:path:${realpathSync(program.path)}`]
  const agent = await rig.agent({
    entries: [
      { spiffeId: API, selectors: selectors() },
      { spiffeId: WEB, selectors: selectors(), default: true, federatesWith: ['partner.test'] },
    ],
    config: { bundles: { 'partner.test': { file: bundleFile } } },
  })
  const python = startProgram<Update, Answer>(rig, agent, program)
  // Its source keeps the default one alone.
  const first = await python.next('the first SVID', ({ svids }) => svids?.[0]?.id === WEB)
  let serial = first.svids?.[0]?.serial
  const options = { deadlineMs: 60_000 }
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    const told = python.told.length
    await agent.admin.call(AdminService.method.renewIdentities, {}, options)
    const changed = ({ svids = [] }: Update): boolean =>
      svids.length > 0 && svids[0]?.serial !== serial
    serial = (await python.next('the next SVID', changed, told)).svids?.[0]?.serial
  }
  await agent.admin.call(AdminService.method.rotateAuthority, {}, options)
  const last = await python.next(
    'an SVID of the next CA',
    ({ svids, x509 }) => x509?.['example.org']?.length === 2 && svids?.[0]?.serial !== serial,
  )
  const given = python.told.flatMap(({ svids }) => svids ?? [])
  assert.deepEqual(
    given.filter(({ fault }) => fault !== ''),
    [],
  )
  const { svids = [], x509 } = await python.ask({ do: 'x509' })
  assert.deepEqual(svids[0], last.svids?.[0])
  assert.deepEqual(
    svids.map(({ id, fault }) => [id, fault]),
    [
      [WEB, ''],
      [API, ''],
    ],
  )
  assert.deepEqual(x509, last.x509)
  assert.deepEqual(Object.keys(x509 ?? {}).toSorted(), ['example.org', 'partner.test'])
  assert.deepEqual((await python.ask({ do: 'bundles' })).x509, x509)
})

test('Python spiffe: JWT-SVIDs are fetched, and validated under the bundles and by the Workload API, through a rotation', async (t) => {
  const rig = createRig(t)
  const program = pythonProgram(t)
  if (program === undefined) return
  const partner = createForeignIssuer('partner.test')
  const bundleFile = join(rig.folder, 'partner.json')
  write(bundleFile, partner.bundle)
  const selectors = (): string[] => [`unix:path:${realpathSync(program.path)}`]
  const agent = await rig.agent({
    entries: [
      { spiffeId: API, selectors: selectors() },
      { spiffeId: WEB, selectors: selectors(), default: true, federatesWith: ['partner.test'] },
    ],
    config: { bundles: { 'partner.test': { file: bundleFile } } },
  })
  const { ask, next } = startProgram<Update, Answer>(rig, agent, program)
  await next('the JWT bundles', ({ jwt }) => jwt?.['partner.test']?.length === 1)
  const audience = ['reports']
  const fetched = await ask({ do: 'fetch', audience })
  assert.deepEqual([fetched.error, fetched.tokens?.[0]?.id], [undefined, WEB])
  const named = await ask({ do: 'fetch', audience, subject: API })
  assert.equal(named.tokens?.[0]?.id, API)
  const all = await ask({ do: 'fetch-all', audience: ['audit', 'reports'] })
  assert.deepEqual(
    all.tokens?.map(({ id, audience: given }) => [id, given]),
    [
      [WEB, ['audit', 'reports']],
      [API, ['audit', 'reports']],
    ],
  )
  const denied = await ask({ do: 'fetch', audience, subject: 'spiffe://example.org/other' })
  assert.match(denied.error ?? '', /PERMISSION_DENIED/)

  const { prepared } = await rotateJwtKey(agent, false)
  const known = (jwt: Keys | undefined): boolean =>
    jwt?.['example.org']?.includes(prepared) === true
  await next('the next key', ({ jwt }) => known(jwt))
  await eventually('the next key, when asked', async () => known((await ask({ do: 'keys' })).jwt))
  await rotateJwtKey(agent, true)
  const after = await ask({ do: 'fetch', audience: ['reports', 'after'] })

  const foreign = partner.issue('/billing', 'reports')
  const tokens = [
    fetched.tokens![0]!.token,
    all.tokens![1]!.token,
    after.tokens![0]!.token,
    foreign,
  ]
  const ids = [WEB, API, WEB, 'spiffe://partner.test/billing']
  for (const way of ['parse', 'validate'])
    for (const [index, token] of tokens.entries()) {
      const id = token === foreign ? 'partner.test' : 'example.org'
      const good = await ask({ do: way, audience, token, id })
      assert.deepEqual([good.error, good.tokens?.[0]?.id], [undefined, ids[index]], way)
      const other = await ask({ do: way, audience: ['payments'], token, id })
      assert.notEqual(other.error, undefined, `${way}: of another audience`)
    }
})
