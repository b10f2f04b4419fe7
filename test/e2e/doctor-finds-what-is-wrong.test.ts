import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { cli, spindle } from './rig/command.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'

interface Report {
  readonly checks: readonly {
    readonly check: string
    readonly level: string
    readonly where: string
    readonly detail: string
    readonly todo: string
  }[]
  readonly failures: number
}

test('spindle doctor finds nothing to mend around an agent that runs, and what is wrong where it is', async (t) => {
  const rig = createRig(t)
  const entries = [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }]
  const agent = await rig.agent({ entries })
  const config = join(agent.folder, 'agent.yaml')
  const doctor = async (...args: readonly string[]) => {
    const { code, out, err } = await cli('doctor', '--config', config, '-o', 'json', ...args)
    assert.equal(err, '')
    const report = JSON.parse(out) as Report
    const wrong = report.checks.filter(({ level }) => level !== 'ok')
    for (const { check, todo } of wrong) assert.notEqual(todo, '', check)
    assert.equal(code, report.failures > 0 ? 1 : 0)
    return {
      code,
      checks: report.checks,
      wrong: wrong.map(({ check, level }) => `${level} ${check}`),
      of: (name: string) => report.checks.find(({ check }) => check === name),
    }
  }
  const envoy = async (change: (text: string) => string): Promise<string> => {
    const text = readFileSync(join(ROOT, 'envoy/sidecar-delta.yaml'), 'utf8')
    const file = join(agent.folder, 'envoy.yaml')
    writeFileSync(file, change(text.replace('/run/spindle/agent.sock', agent.socket)))
    return file
  }

  await t.test('an agent that runs, and an Envoy of it', async () => {
    const found = await doctor('--envoy', await envoy((text) => text))
    // A machine may have few descriptors, or be a container; nothing else is wrong.
    const expected = ['warn pid namespace', 'warn descriptors']
    assert.deepEqual(
      found.wrong.filter((each) => !expected.includes(each)),
      [],
    )
    assert.equal(found.code, 0)
    assert.match(found.of('agent')?.detail ?? '', /serves 1 entries to 0 sidecars, and is ready/)
    assert.match(found.of('authority life')?.detail ?? '', /ends in (23h|1d)/)
    assert.match(found.of('JWT keys')?.detail ?? '', /^the key that signs ends in (23h|1d)/)
    assert.equal(found.of('socket')?.detail, 'is served by the agent')
    assert.equal(found.of('http')?.where, agent.http.replace('http://', ''))
    assert.equal(found.of('envoy: socket')?.level, 'ok')
    // What it looks at it leaves as it was.
    assert.equal((await agent.sidecars()).length, 0)
  })

  await t.test('an Envoy that would be fooled', async () => {
    const file = await envoy((text) =>
      text.replace('initial_fetch_timeout: 15s', 'initial_fetch_timeout: 0s'),
    )
    const found = await doctor('--envoy', file)
    assert.equal(found.code, 1)
    assert.match(
      found.of('envoy: fetch-timeout')?.where ?? '',
      /^static_resources\.listeners\[0\].*\.initial_fetch_timeout$/,
    )
    const table = await cli('doctor', '--config', config, '--envoy', file)
    assert.equal(table.code, 1)
    assert.match(
      table.out,
      /^FAIL {2}envoy: fetch-timeout +static_resources\..*\n.*for ever.*\n.*→ Write 15s/m,
    )
    assert.match(table.out, /\n\d+ ok, \d+ to look at, 1 to mend\n$/)
  })

  await t.test('a bad edit of the entries', async () => {
    writeFileSync(join(agent.folder, 'entries.yaml'), 'entries: 7\n')
    const found = await doctor()
    assert.equal(found.of('entries')?.level, 'fail')
    assert.equal(found.code, 1)
    agent.setEntries(entries)
  })

  await t.test('an agent that was killed, and a port that is taken', async () => {
    agent.child.signal('SIGKILL')
    await agent.child.ended
    const taken = createServer().listen(0, '127.0.0.1')
    rig.atEnd(() => taken.close())
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const text = parse(readFileSync(config, 'utf8')) as Record<string, unknown>
    writeFileSync(config, stringify({ ...text, http: { listen: `127.0.0.1:${port}` } }))
    chmodSync(dirname(agent.adminSocket), 0o777)
    const found = await doctor()
    assert.match(found.of('socket')?.detail ?? '', /is left over from an agent that has ended/)
    assert.match(found.of('agent')?.detail ?? '', /no agent runs/)
    assert.match(found.of('authority life')?.detail ?? '', /ends in (23h|1d)/)
    for (const each of ['warn agent', 'fail http', 'fail admin socket folder'])
      assert(found.wrong.includes(each), `${each}: ${found.wrong.join(', ')}`)
  })
})

test('spindle doctor works for a user without rights, and where there is nothing at all', async (t) => {
  const rig = createRig(t)
  const none = join(rig.folder, 'none.yaml')
  const named = await cli('doctor', '--config', none)
  assert.equal(named.code, 1)
  assert.match(named.out, /^FAIL {2}configuration +.*none\.yaml$/m)
  if (process.getuid?.() !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI is root')
    return t.skip('needs root, to be another user')
  }
  const agent = await rig.agent()
  const config = join(agent.folder, 'agent.yaml')
  const other = await spindle(['doctor', '--config', config, '-o', 'json'], { uid: 10_001 })
  const { checks } = JSON.parse(other.out) as Report
  const found = Object.fromEntries(
    checks.map(({ check, level, detail }) => [check, `${level} ${detail}`]),
  )
  assert.match(found['agent'] ?? '', /^warn .*(EACCES|is not one of those)/)
  assert.match(found['executables'] ?? '', /^warn this user may not look/)
  assert.match(found['socket'] ?? '', /^warn is served, by an agent that does not answer here/)
  assert.match(found['kernel'] ?? '', /^ok /)
})
