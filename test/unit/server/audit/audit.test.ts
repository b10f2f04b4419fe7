import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAudit } from '../../../../src/server/audit/lines.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { createManualClock } from '../../../fakes/clock.ts'

function written(...events: readonly AuditEvent[]): readonly unknown[] {
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) }
  const audit = createAudit({ format: 'json', stream, clock: createManualClock() })
  for (const [index, event] of events.entries()) {
    audit.write(event)
    assert.equal(lines.length, index + 1, 'written when write() returns')
  }
  return lines.map((line) => JSON.parse(line) as unknown)
}

const frame = { level: 'info', time: '2030-01-01T00:00:00.000Z' }

test('Audit writes a denial, an issuance and a change as a line each, who asked in all of them', () => {
  const agent = {
    kind: 'svid',
    spiffeId: 'spiffe://example.org/spire/agent/x',
    serial: '77',
    address: '10.0.0.7',
  } as const
  const issued = {
    event: 'issued',
    caller: agent,
    method: '/spire.api.server.svid.v1.SVID/BatchNewX509SVID',
    issued: 'x509-svid',
    spiffeId: 'spiffe://example.org/web',
    serial: '78',
    authorityId: 'ab',
    expiresAt: Date.UTC(2030, 0, 1, 1),
    entryId: 'e1',
    entryRevision: 3,
  } as const
  const changed = {
    event: 'changed',
    caller: { kind: 'local', uid: 0, pid: 12 },
    method: '/spire.api.server.entry.v1.Entry/BatchDeleteEntry',
    object: 'entry',
    key: 'e1',
    action: 'deleted',
  } as const
  const denied = {
    event: 'denied',
    caller: { kind: 'anonymous', address: '10.0.0.8' },
    method: changed.method,
    reason: 'role',
  } as const
  const without = <T extends { readonly event: string }>({ event, ...rest }: T): object => ({
    ...frame,
    audit: event,
    ...rest,
  })
  assert.deepEqual(written(issued, changed, denied), [
    {
      ...without(issued),
      expiresAt: '2030-01-01T01:00:00.000Z',
      message: 'audit: an identity was issued',
    },
    { ...without(changed), message: 'audit: the registry was changed' },
    { ...without(denied), message: 'audit: a call was denied' },
  ])
})

test('Audit never holds a private key, whatever a caller put where', () => {
  const key = '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----'
  const [line] = written({
    event: 'changed',
    caller: { kind: 'local', uid: 0, pid: 1 },
    method: '/a/B',
    object: 'entry',
    key,
    action: 'created',
  })
  assert.doesNotMatch(JSON.stringify(line), /MIGH/)
})

test('Audit writes the lines of one call at once, and nothing for no event', () => {
  const written: string[] = []
  const stream = { write: (lines: string) => written.push(lines) }
  const audit = createAudit({ format: 'text', stream, clock: createManualClock() })
  const change = (key: string): AuditEvent => ({
    event: 'changed',
    caller: { kind: 'server' },
    object: 'entry',
    key,
    action: 'deleted',
  })
  audit.write()
  audit.write(change('a'), change('b'), change('c'))
  assert.equal(written.length, 1)
  assert.match(
    written[0] ?? '',
    /^[^\n]* key=a [^\n]*\n[^\n]* key=b [^\n]*\n[^\n]* key=c [^\n]*\n$/,
  )
})
