// `spindle demo` as a stranger runs it: what it says, what it exits with, and that nothing of it stays.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Child } from '../../src/os/child.ts'
import { startChild } from '../../src/os/child.ts'
import { copyProgram, makeScratch, readText, removeScratch } from '../../src/os/scratch.ts'
import { eventually } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'

const MAIN = join(ROOT, process.env['SPINDLE_MAIN'] ?? 'src/main.ts')
/** Five times what the demo may take. */
const DEADLINE_MS = 150_000

test('demo --stay: every check holds, every command it names works, and Ctrl-C leaves nothing', async (t) => {
  const place = placeOf(t)
  const demo = await startDemo(t, place, { args: ['--stay'] })
  await says(demo, 'until Ctrl-C')
  const told = process.geteuid?.() === 0 ? 'uid alone: api 20001' : 'program path alone: api'
  assert.match(demo.output(), new RegExp(`known by ${told}`))
  assert.match(demo.output(), /^demo: all 10 checks hold \([\d.]+ m?s\)$/m)

  const commands = await eventually('commands to try', () => {
    const found = Array.from(demo.output().matchAll(/^ {2}(\S.*?) +# .+$/gm), (match) => match[1]!)
    return found.some((command) => command.includes('EDITOR')) ? found : undefined
  })
  for (const command of commands) {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
      env: { ...process.env, EDITOR: 'cat' },
      encoding: 'utf8',
      timeout: 30_000,
    })
    assert.equal(status, 0, `${command}: ${stderr}`)
    assert.notEqual(stdout, '', command)
  }
  assert.ok(commands.filter((command) => /\/spindle'? /.test(command)).length >= 5)

  demo.signal('SIGINT')
  assert.deepEqual(await demo.ended, { code: 0, signal: null })
  assertNothingStays(place)
})

test('demo tells Envoys apart by their programs where it cannot be several users', async (t) => {
  const place = placeOf(t)
  // No other user may enter, as if root could not become one.
  chmodSync(place, 0o700)
  const demo = await startDemo(t, place)
  assert.deepEqual(await demo.ended, { code: 0, signal: null }, demo.output())
  assert.match(demo.output(), /known by program path alone: api, client, intruder/)
  assert.match(lastLine(demo), /^demo: all 10 checks hold/)
  assertNothingStays(place)
})

test('demo fails on the check that does not hold, and shows the logs of it', async (t) => {
  const place = placeOf(t)
  const envoy = script(
    t,
    `case $1 in --config-path)
  sed -i 's#"exact": "spiffe://example.org/[a-z]*"#"prefix": "spiffe://example.org/"#' "$2" ;;
esac
exec "${realEnvoy(t)}" "$@"`,
  )
  const demo = await startDemo(t, place, { envoy })
  assert.deepEqual(await demo.ended, { code: 1, signal: null }, demo.output())
  assert.match(demo.output(), /^invalid client is refused +FAILED .*intruder got 200$/m)
  assert.match(demo.output(), /^valid client gets OK +ok /m)
  assert.match(demo.output(), /last lines of the Envoy of api:\n {4}\S/)
  // An intruder that is let in is let in again after the rotations.
  assert.match(lastLine(demo), /^demo: 2 of 10 checks FAILED \(/)
  assertNothingStays(place)
})

test('demo says why it could not start, and that nothing was checked', async (t) => {
  const place = placeOf(t)
  const envoy = script(
    t,
    `[ "$1" = --version ] && exec echo 'envoy  version: 0/9.9.9/Clean'
echo 'no port left' >&2
exit 1`,
  )
  const demo = await startDemo(t, place, { envoy })
  assert.deepEqual(await demo.ended, { code: 1, signal: null }, demo.output())
  assert.match(demo.output(), /FAILED: Envoy did not start: it ended\n {4}no port left/)
  assert.match(lastLine(demo), /^demo: 1 of 10 checks FAILED, 9 of 10 NOT RUN \(/)
  assertNothingStays(place)
})

for (const doing of ['starting three callers', 'renewing every certificate'])
  test(`demo ended while it is ${doing} leaves nothing`, async (t) => {
    const place = placeOf(t)
    const demo = await startDemo(t, place)
    await says(demo, doing)
    demo.signal('SIGTERM')
    assert.deepEqual(await demo.ended, { code: 1, signal: null }, demo.output())
    assert.equal(lastLine(demo), 'demo: interrupted (SIGTERM received)')
    assertNothingStays(place)
  })

test('demo without Envoy says what to do and exits with 3', async (t) => {
  const place = placeOf(t)
  const demo = await startDemo(t, place, { envoy: join(place, 'nowhere') })
  assert.deepEqual(await demo.ended, { code: 3, signal: null })
  assert.match(demo.output(), /is not a program.\nRun `npm run demo` .* or set ENVOY_BIN/)
  assertNothingStays(place)
})

/** A folder of the test's own that stands in for /tmp. */
function placeOf(t: TestContext): string {
  // Such names exist, and a shell must not trip over them.
  const place = makeScratch("it's a demo-")
  t.after(() => removeScratch(place))
  return place
}

async function startDemo(
  t: TestContext,
  place: string,
  { args = [], envoy = realEnvoy(t) }: { args?: readonly string[]; envoy?: string } = {},
): Promise<Child> {
  const demo = await startChild(
    process.execPath,
    ['--max-semi-space-size=2', '--disable-sigusr1', MAIN, 'demo', ...args],
    { env: { TMPDIR: place, ENVOY_BIN: envoy } },
  )
  // Long enough for it to end what it started.
  t.after(() => demo.stop(20_000))
  const late = setTimeout(() => demo.signal('SIGTERM'), DEADLINE_MS)
  void demo.ended.then(() => clearTimeout(late))
  return demo
}

/** A copy that every user may run. */
function realEnvoy(t: TestContext): string {
  const named = process.env['ENVOY_BIN'] || readText(join(ROOT, '.cache/envoy'))
  if (named === undefined) {
    if (process.env['CI'] === 'true') assert.fail('no Envoy: run npm test, which fetches it')
    t.skip('needs Envoy: run npm test, which fetches it')
    throw new Error('no Envoy')
  }
  const folder = placeOf(t)
  copyProgram(named, join(folder, 'envoy'))
  return join(folder, 'envoy')
}

function script(t: TestContext, body: string): string {
  const path = join(placeOf(t), 'envoy-script')
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

function says(demo: Child, text: string): Promise<string> {
  return demo.line((line) => line.includes(text))
}

function lastLine(demo: Child): string {
  return demo.output().trimEnd().split('\n').pop() ?? ''
}

/** No file in its folder, and no process that was started from it or on something in it. */
function assertNothingStays(place: string): void {
  assert.deepEqual(readdirSync(place), [])
  const left = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => readText(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ') ?? '')
    .filter((command) => command.includes(place))
  assert.deepEqual(left, [])
}
