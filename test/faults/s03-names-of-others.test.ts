/** S03: callers that ask for everything, of everyone: each gets its own, and cannot tell what is forbidden from what is not there. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ServiceError } from '@grpc/grpc-js'
import type { Agent } from '../e2e/rig/agent.ts'
import { PYTHON, skip, startCaller } from '../e2e/attest-host.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import type { Received, SdsStreamClient } from '../e2e/rig/sds-client.ts'
import { createSdsClient } from '../e2e/rig/sds-client.ts'
import { atScale } from './scale.ts'

const CALLERS = atScale(20, 50)
const ENTRIES = atScale(80, 200)
const FIRST_UID = 62_000

const idOf = (index: number): string => `spiffe://example.org/service/${index}`
const uidOf = (index: number): number => FIRST_UID + (index % CALLERS)
const ALL = Array.from({ length: ENTRIES }, (_, index) => index)
/** As an entry's would be, of none. */
const ABSENT = Array.from({ length: 20 }, (_, index) => idOf(ENTRIES + index))

/**
 * A process for each uid that carries bytes between a socket of its own and the agent's, so that what the test says at
 * DOORS/UID.sock is said by that uid.
 */
const DOORS = `
import ctypes, os, selectors, socket, sys
agent, doors, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def carry(uid):
    door = socket.socket(socket.AF_UNIX)
    door.bind('%s/%d.sock' % (doors, uid))
    door.listen()
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
    # Ends with the process that forked it (PR_SET_PDEATHSIG), which a change of uid would undo.
    ctypes.CDLL(None).prctl(1, 9)
    os.write(1, b'open\\n')
    waiting = selectors.DefaultSelector()
    waiting.register(door, selectors.EVENT_READ, None)
    while True:
        for key, _ in waiting.select():
            if key.data is None:
                test, _ = door.accept()
                inner = socket.socket(socket.AF_UNIX)
                inner.connect(agent)
                waiting.register(test, selectors.EVENT_READ, inner)
                waiting.register(inner, selectors.EVENT_READ, test)
                continue
            try:
                data = key.fileobj.recv(65536)
                key.data.sendall(data)
            except OSError:
                data = b''
            if not data:
                for end in (key.fileobj, key.data):
                    waiting.unregister(end)
                    end.close()
                break
for uid in range(first, first + count):
    if os.fork() == 0:
        carry(uid)
sys.stdin.read()
`

async function openDoors(rig: Rig, agent: Agent): Promise<(uid: number) => string> {
  const doors = join(rig.folder, 'doors')
  mkdirSync(doors)
  chmodSync(doors, 0o755)
  const args = [agent.socket, doors, String(FIRST_UID), String(CALLERS)]
  const scope = { after: (end: () => unknown) => rig.atEnd(end) } as never
  const carriers = startCaller(scope, { uid: 0 }, [PYTHON, '-c', DOORS, ...args])
  for (let opened = 0; opened < CALLERS; opened++) assert.equal(await carriers.line(), 'open')
  return (uid) => join(doors, `${uid}.sock`)
}

/** What a caller may hold is what is its own. */
function expectOwn(received: readonly Received[], uid: number, way: string): void {
  for (const { secrets } of received)
    for (const { name } of secrets) {
      const index = ALL.find((each) => idOf(each) === name)
      assert(index !== undefined && uidOf(index) === uid, `uid ${uid} was given ${name} (${way})`)
    }
}

const own = (uid: number): string[] => ALL.filter((index) => uidOf(index) === uid).map(idOf)

async function asksAsStream(stream: SdsStreamClient, uid: number, way: string): Promise<void> {
  let acked = 0
  const had = new Set<string>()
  stream.subscribe(...ALL.map(idOf), ...ABSENT)
  await eventually(`uid ${uid} has its own (${way})`, () => {
    for (; acked < stream.received.length; acked++) {
      const message = stream.received[acked]!
      for (const { name } of message.secrets) had.add(name)
      stream.ack(message)
    }
    return own(uid).every((name) => had.has(name))
  })
}

test(`S03: ${CALLERS} callers ask for each of ${ENTRIES} entries and for what is not there: none gets what is another's`, async (t) => {
  if (process.getuid?.() !== 0) return skip(t, 'needs root, to be other users')
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: ALL.map((index) => ({
      spiffeId: idOf(index),
      selectors: [`unix:uid:${uidOf(index)}`],
      hint: `hint-${index}`,
    })),
    config: { limits: { namesPerStream: ENTRIES * 2 }, log: { level: 'info' } },
  })
  const doorOf = await openDoors(rig, agent)
  const refusals = new Set<string>()
  for (let uid = FIRST_UID; uid < FIRST_UID + CALLERS; uid++) {
    const client = createSdsClient(doorOf(uid))
    rig.atEnd(() => client.close())
    const delta = client.delta()
    await asksAsStream(delta, uid, 'Delta')
    // Forbidden or absent, it is called removed alike: in one breath, once.
    const removed = () => delta.received.flatMap((message) => message.removed)
    const others = ALL.map(idOf).filter((name) => !own(uid).includes(name))
    await eventually('all others are called removed', () => {
      return removed().length >= others.length + ABSENT.length
    })
    assert.deepEqual(removed().sort(), [...others, ...ABSENT].sort())
    const sotw = client.sotw()
    await asksAsStream(sotw, uid, 'state of the world')
    expectOwn(delta.received, uid, 'Delta')
    expectOwn(sotw.received, uid, 'state of the world')
    const everything = await client.fetch()
    const certificates = everything.filter(({ type }) => type.case === 'tlsCertificate')
    assert.deepEqual(certificates.map(({ name }) => name).sort(), own(uid).sort(), 'all it has')
    const hint = ALL.find((index) => uidOf(index) !== uid) ?? 0
    for (const name of [others[uid % others.length], ABSENT[0], `hint-${hint}`, 'hint-none'])
      refusals.add(await refusalOf(client.fetch(name ?? ''), name ?? ''))
    for (const stream of [delta, sotw]) assert.equal(stream.ended, undefined)
    client.close()
  }
  assert.equal(refusals.size, 1, [...refusals].join('\n'))
})

/** How a call is refused, but for the name it asked for. */
async function refusalOf(call: Promise<unknown>, name: string): Promise<string> {
  const failure = await call.then(
    () => assert.fail(`${name} was given`),
    (thrown: unknown) => thrown as ServiceError,
  )
  const { code, details, metadata } = failure
  const shown = JSON.stringify({ code, details, metadata: Object.keys(metadata.getMap()).sort() })
  return shown.replaceAll(name, 'NAME')
}

test('S03: where streams of those without a right are closed, forbidden and absent close it alike', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: idOf(0), selectors: [`unix:uid:${FIRST_UID}`] }],
    config: { sds: { unauthorized: 'close' } },
  })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  for (const variant of ['delta', 'sotw'] as const) {
    const ends: string[] = []
    for (const name of [idOf(0), ...ABSENT.slice(0, 2)]) {
      const stream = client[variant]()
      stream.subscribe(name)
      const { code, details } = await eventually('its end', () => stream.ended)
      const told = stream.received.map(({ secrets, removed }) => ({ secrets, removed }))
      assert(told.every(({ secrets }) => secrets.length === 0))
      ends.push(JSON.stringify({ code, details, told }).replaceAll(name, 'NAME'))
    }
    assert.equal(new Set(ends).size, 1, ends.join('\n'))
  }
})
