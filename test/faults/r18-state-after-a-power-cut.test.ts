/** R18: what a power cut or a bad disk makes of the file with the CA keys: the old state, the new one, or told and set aside. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createEmbeddedAuthority } from '../../src/authority/embedded.ts'
import { createFileSlotStore } from '../../src/authority/slot-file.ts'
import type { AuthorityEvent } from '../../src/authority/authority.ts'
import { openStateFile } from '../../src/os/state-file.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { createManualClock } from '../fakes/clock.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { createStateFile } from '../fakes/state-file.ts'
import { startCrowd } from './crowd.ts'
import { atScale } from './scale.ts'

const CASES = atScale(1_000, 20_000)
const DAY = 86_400_000
const trustDomain = 'example.org' as TrustDomain
const about = { kind: 'embedded', trustDomain }

/** What is in the file before a CA is prepared, and after. */
async function oldAndNew(): Promise<readonly [string, string]> {
  const file = createStateFile()
  const authority = await createEmbeddedAuthority({
    trustDomain,
    keyType: 'ec-p256',
    caTtlMs: DAY,
    clock: createManualClock(),
    random: createSeededRandom('power cut'),
    store: createFileSlotStore(file, about),
  })
  const before = file.text ?? ''
  await authority.prepare()
  await authority.close()
  return [before, file.text ?? '']
}

type Damage = (texts: readonly [Buffer, Buffer], random: Random) => Buffer
const below = (random: Random, limit: number): number => Math.floor(random.fraction() * limit)

const DAMAGES: Readonly<Record<string, Damage>> = {
  'a bit is flipped'([, text], random) {
    const at = below(random, text.length)
    text[at] = (text[at] ?? 0) ^ (1 << below(random, 8))
    return text
  },
  'a byte is another'([, text], random) {
    text[below(random, text.length)] = below(random, 256)
    return text
  },
  'it is cut': ([, text], random) => text.subarray(0, below(random, text.length)),
  'a block was never written'([, text], random) {
    const start = below(random, text.length)
    text.subarray(start, start + 512).fill(0)
    return text
  },
  'it begins as the new one and ends as the old'([before, after], random) {
    const at = below(random, Math.min(before.length, after.length))
    return Buffer.concat([after.subarray(0, at), before.subarray(at)])
  },
  'it begins as the old one and ends as the new'([before, after], random) {
    const at = below(random, Math.min(before.length, after.length))
    return Buffer.concat([before.subarray(0, at), after.subarray(at)])
  },
}

test(`R18: of ${CASES} damaged states each opens as the old or the new one, or is set aside as it is, and told`, async (t) => {
  const seed = Date.now() % 100_000
  t.diagnostic(`seed ${seed}`)
  const random = createSeededRandom(seed)
  const texts = await oldAndNew()
  const folder = temporaryFolder(t)
  const path = join(folder, 'authority-embedded.json')
  const count = { whole: 0, aside: 0 }
  const names = Object.keys(DAMAGES)
  for (let round = 0; round < CASES; round++) {
    const name = names[round % names.length] ?? ''
    const damaged = DAMAGES[name]?.([Buffer.from(texts[0]), Buffer.from(texts[1])], random)
    assert(damaged !== undefined)
    writeFileSync(path, damaged)
    const events: AuthorityEvent[] = []
    const clock = createManualClock()
    const store = createFileSlotStore(openStateFile(path, clock), about, {
      onEvent: (event) => events.push(event),
    })
    const slots = await store.load()
    if (events.length === 0) {
      const again = createStateFile()
      await createFileSlotStore(again, about).save(slots)
      assert(texts.includes(again.text ?? ''), `round ${round}, ${name}: a mix of states`)
      count.whole += 1
      continue
    }
    assert.deepEqual([slots.length, events.length, events[0]?.kind], [0, 1, 'state_set_aside'])
    const [aside, ...others] = readdirSync(folder)
    assert(aside !== undefined && others.length === 0)
    assert.deepEqual(readFileSync(join(folder, aside)), damaged, 'what was there is still there')
    rmSync(join(folder, aside))
    count.aside += 1
  }
  t.diagnostic(`${count.aside} set aside, ${count.whole} whole`)
  assert(count.aside > CASES / 2)
})

const WRITE = `
  import { atomicWrite } from './src/os/files.ts'
  await atomicWrite(process.argv[1], 'the new state', 0o600)
  process.stdout.write('written')
`

interface Call {
  readonly name: string
  readonly line: string
}

function callsOfWrite(t: TestContext, path: string): readonly Call[] | undefined {
  if (spawnSync('strace', ['-V']).status !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI has strace')
    t.skip('needs strace, to see what reaches the disk when')
    return undefined
  }
  const log = `${path}.strace`
  const traced = 'trace=write,pwrite64,fsync,fdatasync,rename,renameat,renameat2'
  execFileSync(
    'strace',
    [
      '-f',
      '-y',
      '-e',
      traced,
      '-o',
      log,
      process.execPath,
      '--input-type=module',
      '-e',
      WRITE,
      path,
    ],
    { cwd: join(import.meta.dirname, '../..') },
  )
  return readFileSync(log, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const name = /^\d+ +(\w+)\(/.exec(line)?.[1]
      return name === undefined ? [] : [{ name, line }]
    })
}

test('R18: cut off after any system call of a write, the disk has the old state or the whole new one', (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'state.json')
  writeFileSync(path, 'the old state')
  const calls = callsOfWrite(t, path)
  if (calls === undefined) return
  // What a name leads to on the disk, where everything that may be lost is.
  let temporarySynced = false
  let renamed = false
  let folderSynced = false
  for (const { name, line } of calls) {
    if (/write/.test(name) && line.includes('the new state')) temporarySynced = false
    if (/^f(data)?sync$/.test(name) && line.includes('.tmp>')) temporarySynced = true
    if (/^f(data)?sync$/.test(name) && line.includes(`<${folder}>`)) folderSynced = renamed
    if (name.startsWith('rename') && line.includes('state.json"')) {
      assert(temporarySynced, 'the name leads to what may be lost')
      renamed = true
    }
    if (/write/.test(name) && line.includes('written'))
      assert(folderSynced, 'it is called durable before the new name is')
  }
  assert(renamed && folderSynced, 'the log was read')
  assert.equal(readFileSync(path, 'utf8'), 'the new state')
})

test('R18: an agent with a damaged state says where it is and why, makes a CA, and its callers follow', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
  })
  const crowd = startCrowd(agent.socket, 1)
  rig.atEnd(() => crowd.close())
  const [member] = crowd.members
  await eventually('a certificate', () => member?.certificates === 1)
  const { roots } = member ?? {}
  agent.child.signal('SIGKILL')
  await agent.child.ended
  const path = join(agent.folder, 'state/authority-embedded.json')
  const damaged = readFileSync(path)
  damaged[1_000] = (damaged[1_000] ?? 0) ^ 1
  writeFileSync(path, damaged)
  const next = await agent.restart()
  rig.atEnd(() => next.stop())
  const told = /state_set_aside.*movedTo=(\S+).*/.exec(next.child.output())
  assert(told !== null, next.child.output())
  assert.match(told[0], /the stored state of the authority: /)
  assert.deepEqual(readFileSync(told[1] ?? ''), damaged)
  await eventually('the callers have the new CA', () => member?.certificates === 2)
  await eventually('in their bundles too', () => member?.roots !== roots)
})
