// WT-17 of docs/conformance.md.
import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { startChild } from '../../src/os/child.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'

const entry = (name: string) => ({
  spiffeId: `spiffe://example.org/${name}`,
  selectors: testSelectors(),
})

interface Told {
  readonly svids: readonly {
    readonly spiffeId: string
    readonly certificates: readonly { readonly serial: string }[]
  }[]
}

test('spindle workload watch --write follows a rotation, entries that come and go, and a restart of the agent', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [entry('web')] })
  const folder = join(rig.folder, 'written')
  const main = join(ROOT, process.env['SPINDLE_MAIN'] ?? 'src/main.ts')
  const args = [main, 'workload', 'watch', '-o', 'json', '--write', folder]
  const watch = await startChild(process.execPath, [...args, '--socket', agent.socket])
  rig.atEnd(() => watch.stop())
  const told = (): readonly Told[] =>
    watch
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Told)
  const names = (state: Told | undefined): readonly string[] | undefined =>
    state?.svids.map(({ spiffeId }) => spiffeId.slice('spiffe://example.org/'.length))
  const written = () => {
    const leaf = new X509Certificate(readFileSync(join(folder, 'svid.0.pem')))
    assert(leaf.checkPrivateKey(createPrivateKey(readFileSync(join(folder, 'svid.0.key')))))
    return leaf.serialNumber
  }
  const serial = (state: Told | undefined): string | undefined =>
    state?.svids[0]?.certificates[0]?.serial

  await eventually('the first state', () => told().length === 1)
  const first = told()[0]
  assert.deepEqual(names(first), ['web'])
  assert.equal(written(), serial(first))

  await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 20_000 })
  await eventually('the renewed one', () => told().length === 2)
  assert.notEqual(serial(told()[1]), serial(first))
  assert.equal(written(), serial(told()[1]))

  agent.setEntries([entry('web'), entry('db')])
  await eventually('the second identity', () => names(told().at(-1))?.length === 2)
  assert(existsSync(join(folder, 'svid.1.key')))
  agent.setEntries([entry('web')])
  await eventually('one again', () => names(told().at(-1))?.length === 1)
  assert(!existsSync(join(folder, 'svid.1.key')))

  agent.setEntries([])
  await eventually('a denial', () => /\(no_identity\); it is asked again/.test(watch.output()))
  agent.setEntries([entry('web')])
  const count = told().length
  await eventually('an identity again', () => told().length > count)

  await agent.stop()
  const again = await agent.restart()
  rig.atEnd(() => again.stop())
  const before = told().length
  await eventually('the agent after its restart', () => told().length > before)
  assert.equal(written(), serial(told().at(-1)))

  watch.signal('SIGINT')
  assert.deepEqual(await watch.ended, { code: 0, signal: null })
  assert.doesNotMatch(watch.output(), /PRIVATE KEY/)
})
