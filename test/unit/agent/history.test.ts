import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordReports, recordStreams } from '../../../src/agent/history.ts'
import type { IdentityEvent } from '../../../src/agent/obtain/identity.ts'
import type { Reporter } from '../../../src/agent/reporter.ts'
import type { SdsStream, StreamObserver } from '../../../src/agent/serve/stream.ts'
import type { AuthorityEvent } from '../../../src/authority/authority.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import type { Bundle } from '../../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import type { Happening } from '../../../src/telemetry/timeline.ts'
import type { Note } from '../../../src/xds/message.ts'
import type { Resource } from '../../../src/xds/resource.ts'
import { createFakeCaller } from '../../fakes/caller.ts'
import { identityOf } from '../../fakes/identities.ts'
import { entry } from './obtain/setting.ts'

/** Something whose every method notes that it was called, and whose every other property is such a thing too. */
function noting<T>(calls: string[], name = ''): T {
  const call = (): void => void calls.push(name)
  const get = (_: unknown, key: string | symbol): unknown =>
    noting(calls, name === '' ? String(key) : `${name}.${String(key)}`)
  const keys = ['reloaded', 'authorityEvent', 'attestationRefused', 'identityEvent', 'bundles']
  const all = [...keys, 'connections', 'adminConnections', 'refused', 'pushed', 'noted', 'fetched']
  const described = { enumerable: true, configurable: true }
  return new Proxy(call, {
    get,
    ownKeys: () => all,
    getOwnPropertyDescriptor: () => described,
  }) as T
}

function recorded(): { report: Reporter; calls: string[]; happened: Happening[] } {
  const calls: string[] = []
  const happened: Happening[] = []
  const timeline = { add: (happening: Happening) => void happened.push(happening) }
  return { report: recordReports(noting<Reporter>(calls), timeline), calls, happened }
}

const MESSAGE = 'the CA is away'
const OWN = 'example.org' as TrustDomain

test('recordReports() tells what happens to identities and CAs, and reports it as before', () => {
  const { report, calls, happened } = recorded()
  const web = entry('web')
  const { svid } = identityOf(web, 'a', 5)
  const identities: readonly IdentityEvent[] = [
    { kind: 'issued', entry: web, renewal: false, svid, tookMs: 1, lagMs: undefined },
    { kind: 'failed', entry: web, renewal: true, code: 'internal', message: MESSAGE, retryMs: 1 },
    { kind: 'expired', entry: web, notAfter: 5 },
    { kind: 'clock_jumped', byMs: -30_000 },
  ]
  for (const event of identities) report.identityEvent(event)
  const authority: readonly AuthorityEvent[] = [
    { kind: 'prepared', authorityId: 'aa', notAfter: 9 },
    { kind: 'issued', tookMs: 1 },
    { kind: 'failed', message: MESSAGE, retryMs: 1 },
    { kind: 'reloaded' },
    { kind: 'tainted', authorityId: 'bb', notAfter: 8 },
    { kind: 'revoked', authorityId: 'bb', notAfter: 8 },
  ]
  for (const event of authority) report.authorityEvent(event)
  for (const event of authority.slice(0, 2)) report.jwtAuthorityEvent(event)
  assert.deepEqual(happened, [
    { kind: 'issued', subject: web.spiffeId, notAfter: 5 },
    { kind: 'issue-failed', subject: web.spiffeId, detail: MESSAGE },
    { kind: 'expired', subject: web.spiffeId, notAfter: 5 },
    { kind: 'clock', subject: 'clock', detail: 'jumped by -30000 ms' },
    { kind: 'authority', subject: 'aa', detail: 'prepared', notAfter: 9 },
    { kind: 'authority', subject: 'failed', detail: MESSAGE },
    { kind: 'authority', subject: 'reloaded' },
    { kind: 'authority', subject: 'bb', detail: 'tainted', notAfter: 8 },
    { kind: 'authority', subject: 'bb', detail: 'revoked', notAfter: 8 },
    { kind: 'authority', subject: 'aa', detail: 'JWT key: prepared', notAfter: 9 },
  ])
  assert.deepEqual(calls, [
    ...identities.map(() => 'identityEvent'),
    ...authority.map(() => 'authorityEvent'),
    ...authority.slice(0, 2).map(() => 'jwtAuthorityEvent'),
  ])
})

test('recordReports() tells of files, bundles that change, and whom it refuses', () => {
  const { report, calls, happened } = recorded()
  report.reloaded({ name: 'entries', file: 'e.yaml', loadedAt: 1, fault: undefined })
  report.reloaded({ name: 'entries', file: 'e.yaml', loadedAt: 1, fault: 'line 3' })
  const bundle: Bundle = { trustDomain: OWN, x509Authorities: [Buffer.of(1)], jwtAuthorities: [] }
  report.bundles(new Map([[OWN, bundle]]))
  report.bundles(new Map([[OWN, bundle]]))
  const jwtAuthorities = [{ kid: 'k' }]
  report.bundles(new Map([[OWN, { ...bundle, jwtAuthorities }]]))
  report.bundles(new Map())
  report.connections.refused({ reason: 'uid_limit', detail: 'uid 5 has many' })
  report.adminConnections.refused({ reason: 'not_allowed', detail: 'uid 5' })
  const { connection } = createFakeCaller({ pid: 11 })
  report.attestationRefused(connection, 'peer_gone', 'it ended')
  assert.deepEqual(happened, [
    { kind: 'source', subject: 'entries', detail: 'read' },
    { kind: 'source', subject: 'entries', detail: 'not used: line 3' },
    { kind: 'bundle', subject: OWN, detail: '1 authority' },
    { kind: 'bundle', subject: OWN, detail: '1 authority, 1 JWT key' },
    { kind: 'bundle', subject: OWN, detail: 'gone' },
    { kind: 'refused', subject: 'connection', detail: 'uid_limit' },
    { kind: 'refused', subject: 'connection', detail: 'not_allowed' },
    { kind: 'refused', subject: 'attestation', detail: 'peer_gone', pid: 11 },
  ])
  assert.deepEqual(calls.slice(-3), [
    'connections.refused',
    'adminConnections.refused',
    'attestationRefused',
  ])
})

test('recordStreams() tells of pushes and their answers, and observes as before', () => {
  const calls: string[] = []
  const happened: Happening[] = []
  const timeline = { add: (happening: Happening) => void happened.push(happening) }
  const observer = recordStreams(noting<StreamObserver>(calls), timeline)
  const stream = { sidecar: { caller: createFakeCaller({ pid: 12 }) } } as unknown as SdsStream
  const resource: Resource = { name: 'default', version: 'v', bytes: Buffer.of(1), kind: 'svid' }
  const sent = { name: 'default', version: 'v', kind: 'svid', fresh: true } as const
  observer.pushed(stream, resource, undefined)
  const notes: readonly Note[] = [
    { type: 'ack', nonce: 'n', resources: [sent] },
    { type: 'nack', nonce: 'n', class: 'ocsp', rejected: [sent], quarantine: ['v'] },
    { type: 'ack-of-rejected', nonce: 'n', resources: [sent] },
    { type: 'unanswered', nonce: 'n', names: ['default'] },
    { type: 'stale-nonce', namesIgnored: false },
  ]
  for (const note of notes) observer.noted(stream, note, undefined)
  observer.refused(stream, new SpindleError('request_invalid', 'quotes what the client sent'))
  observer.fetched([resource])
  const of = { subject: 'default', pid: 12 }
  assert.deepEqual(happened, [
    { ...of, kind: 'pushed', detail: 'svid' },
    { ...of, kind: 'acknowledged', detail: 'svid' },
    { ...of, kind: 'rejected', detail: 'ocsp' },
    { ...of, kind: 'rejected', detail: 'its later acknowledgement is not believed' },
    { ...of, kind: 'unanswered' },
    { kind: 'refused', subject: 'stream', detail: 'request_invalid', pid: 12 },
    { kind: 'pushed', subject: 'default', detail: 'svid, fetched' },
  ])
  assert.deepEqual(calls, ['pushed', ...notes.map(() => 'noted'), 'refused', 'fetched'])
})
