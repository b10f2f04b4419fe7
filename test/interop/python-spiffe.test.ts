/** The Workload API for another language: the Python package spiffe, which shares no code with go-spiffe. */
import assert from 'node:assert/strict'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { createPartner } from '../e2e/rig/partner.ts'
import { createRig, write } from '../e2e/rig/rig.ts'
import type { Keys } from './go-spiffe.ts'
import { pythonProgram, startProgram } from './program.ts'

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
