import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAudit } from '../../../../src/server/audit/lines.ts'
import type { AuditCaller, Denial } from '../../../../src/server/audit/audit.ts'
import { createManualClock } from '../../../fakes/clock.ts'

interface Line {
  readonly audit: string
  readonly caller: AuditCaller | { readonly kind: 'others' }
  readonly method?: string
  readonly reason: string
  readonly detail?: string
  readonly times?: number
  readonly firstAt?: string
  readonly lastAt?: string
  readonly message: string
}

const SIGN = '/spire.api.server.svid.v1.SVID/BatchNewX509SVID'
const stranger = (address: string): AuditCaller => ({ kind: 'anonymous', address })

function setUp() {
  const clock = createManualClock()
  let lines: Line[] = []
  const stream = { write: (line: string) => lines.push(JSON.parse(line) as Line) }
  const audit = createAudit({ format: 'json', stream, clock })
  return {
    clock,
    audit,
    deny: (more: Partial<Denial> = {}) =>
      audit.write({
        event: 'denied',
        caller: stranger('192.0.2.1'),
        method: SIGN,
        reason: 'role',
        ...more,
      }),
    /** Since it was last looked at. */
    written(): readonly Line[] {
      const all = lines
      lines = []
      return all
    },
  }
}

/** How many denials lines stand for. */
const denialsIn = (lines: readonly Line[]): number =>
  lines.reduce((sum, { times = 1 }) => sum + times, 0)

test('Audit writes the first denial of a kind at once, and those that follow as one line a minute with their number and instants', async () => {
  const { clock, deny, written } = setUp()
  deny({ detail: 'first' })
  assert.equal(written().length, 1)
  await clock.advance(10_000)
  for (let at = 0; at < 999; at++) deny({ detail: `no. ${at}` })
  await clock.advance(20_000)
  deny({ detail: 'last' })
  assert.deepEqual(written(), [])
  await clock.advance(30_000)
  assert.deepEqual(written(), [
    {
      level: 'info',
      time: '2030-01-01T00:01:00.000Z',
      audit: 'denied',
      caller: stranger('192.0.2.1'),
      method: SIGN,
      reason: 'role',
      detail: 'last',
      times: 1000,
      firstAt: '2030-01-01T00:00:10.000Z',
      lastAt: '2030-01-01T00:00:30.000Z',
      message: 'audit: calls were denied again',
    },
  ])
  // It goes on: no line of its own for the first of the next minute.
  deny()
  assert.deepEqual(written(), [])
  await clock.advance(60_000)
  assert.deepEqual(
    written().map(({ times, firstAt, lastAt }) => [times, firstAt === lastAt]),
    [[1, true]],
  )
  // After a minute of silence it is as new.
  await clock.advance(60_000)
  assert.deepEqual(written(), [])
  assert.equal(clock.pending, 0)
  deny()
  assert.deepEqual(
    written().map(({ times }) => times),
    [undefined],
  )
})

test('Audit tells denials apart by address, identity, method and reason; not by process, serial number, text or address within a /64', async () => {
  const { clock, deny, written } = setUp()
  const bearer = (path: string, serial: string, address: string): AuditCaller => ({
    kind: 'svid',
    spiffeId: `spiffe://example.org${path}`,
    serial,
    address,
  })
  const kinds: readonly (readonly Partial<Denial>[])[] = [
    [{ detail: 'one' }, { detail: 'two' }],
    [{ reason: 'svid_refused' }],
    [{ method: '/a/B' }],
    [{ caller: stranger('192.0.2.2') }],
    [{ caller: stranger('2001:db8::1') }, { caller: stranger('2001:db8::2:1') }],
    [{ caller: stranger('2001:db8:0:1::1') }],
    [{ caller: bearer('/a', '1', '192.0.2.1') }, { caller: bearer('/a', '2', '192.0.2.1') }],
    [{ caller: bearer('/a', '1', '192.0.2.2') }],
    [{ caller: bearer('/b', '1', '192.0.2.1') }],
    [{ caller: { kind: 'local', uid: 7, pid: 1 } }, { caller: { kind: 'local', uid: 7, pid: 2 } }],
    [{ caller: { kind: 'local', uid: 8, pid: 1 } }],
  ]
  for (const of of kinds) for (const each of of) deny(each)
  assert.equal(written().length, kinds.length)
  await clock.advance(60_000)
  const again = kinds.filter((of) => of.length > 1)
  assert.deepEqual(
    written().map(({ times }) => times),
    again.map((of) => of.length - 1),
  )
})

test('Audit: one caller that is denied in every way has a bounded number of lines, and what is beyond is told by reason', async () => {
  const { clock, deny, written } = setUp()
  for (let at = 0; at < 100; at++) deny({ method: `/a/M${at}`, detail: `${at}` })
  assert.equal(written().length, 16)
  deny({ caller: stranger('192.0.2.2') })
  assert.equal(written().length, 1, 'another has its line')
  await clock.advance(60_000)
  const [rest, ...none] = written()
  assert.deepEqual(none, [])
  assert.deepEqual(
    { ...rest, level: '', time: '' },
    {
      level: '',
      time: '',
      audit: 'denied',
      caller: stranger('192.0.2.1'),
      reason: 'role',
      times: 84,
      firstAt: '2030-01-01T00:00:00.000Z',
      lastAt: '2030-01-01T00:00:00.000Z',
      message: 'audit: calls were denied again',
    },
  )
})

test('Audit: ten thousand callers make a bounded number of lines a minute, and none of their denials is lost', async () => {
  const { clock, deny, written } = setUp()
  const address = (at: number): string => `10.0.${at >> 8}.${at & 0xff}`
  for (let round = 0; round < 3; round++)
    for (let at = 0; at < 10_000; at++)
      deny({ caller: stranger(address(at)), reason: at % 2 === 0 ? 'role' : 'expired' })
  const atOnce = written()
  assert.equal(atOnce.length, 512)
  await clock.advance(60_000)
  const summed = written()
  assert.equal(summed.length, 512 + 2)
  const others = summed.filter(({ caller }) => caller.kind === 'others')
  assert.deepEqual(
    others.map(({ reason, times, method }) => [reason, times, method]),
    [
      ['role', 3 * (5_000 - 256), undefined],
      ['expired', 3 * (5_000 - 256), undefined],
    ],
  )
  assert.equal(denialsIn([...atOnce, ...summed]), 30_000)
  // Nothing is kept of those that are silent.
  await clock.advance(60_000)
  assert.deepEqual(written(), [])
  assert.equal(clock.pending, 0)
  for (let at = 0; at < 512; at++) deny({ caller: stranger(address(at)), method: '/other' })
  assert.equal(written().length, 512)
})

test('Audit.close() writes what is counted; a denial after it is a line of its own', async () => {
  const { clock, audit, deny, written } = setUp()
  for (let at = 0; at < 5; at++) deny()
  assert.equal(written().length, 1)
  audit.close()
  assert.deepEqual(
    written().map(({ times }) => times),
    [4],
  )
  assert.equal(clock.pending, 0)
  deny()
  deny()
  assert.equal(written().length, 2)
})

test('Audit: what a client says in the detail of a denial is cut, stays on its line and steers no terminal', () => {
  for (const format of ['json', 'text'] as const) {
    let text = ''
    const clock = createManualClock()
    const audit = createAudit({ format, stream: { write: (line) => (text += line) }, clock })
    const detail = `a\n2030-01-01T00:00:00.000Z info audit: \u001b[2J\u009b\u202e\u2028${'x'.repeat(100_000)}`
    audit.write({ event: 'denied', caller: stranger('192.0.2.1'), reason: 'role', detail })
    assert.equal(text.indexOf('\n'), text.length - 1, format)
    assert.doesNotMatch(text.slice(0, -1), /[\p{C}\p{Zl}\p{Zp}]/u)
    assert(text.length < 1_000)
  }
})
