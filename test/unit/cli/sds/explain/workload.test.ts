import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, CONNECTED, HAS_WEB, MINUTE, SECOND, told } from './setting.ts'

const SENT = {
  method: 'FetchX509SVID',
  state: 'sent',
  version: '0123456789abcdef',
  sentAt: at(-10 * SECOND),
  expiresAt: at(50 * MINUTE),
  answers: 1,
}
const own = { ...CONNECTED, connections: [{ id: 'c1', connectedAt: at(-MINUTE) }] }

test('explanation() of a process that uses the Workload API alone says what it was told there', () => {
  assert.deepEqual(told({ ...HAS_WEB, ...own, workloadUses: [SENT] }), [
    'Process 58 is spiffe://example.org/web.',
    'It connected 1m ago.\n  FetchX509SVID of the Workload API: sent 0123456789ab 10s ago',
    'Next: It is renewed in 20m and pushed at once; the present one ends in 50m.',
    'Try: spindle workload list',
  ])
})

test('explanation() tells of each method: what it waits for, that it is not read, and how the last call ended', () => {
  const uses = [
    { method: 'FetchX509SVID', state: 'pending', why: 'the caller is being attested' },
    { ...SENT, method: 'FetchX509Bundles', state: 'pending', why: 'it is about to be sent' },
    { ...SENT, method: 'FetchJWTBundles', state: 'behind' },
    { method: 'FetchJWTSVID', state: 'answered', sentAt: at(-SECOND) },
    { ...SENT, method: 'ValidateJWTSVID', state: 'refused', why: 'JV-3', refusedAt: at(-SECOND) },
    { method: 'ValidateJWTSVID', state: 'closed' },
  ]
  const [, lines = ''] = told({ ...HAS_WEB, ...own, workloadUses: uses })
  assert.deepEqual(lines.split('\n').slice(1), [
    '  FetchX509SVID of the Workload API: nothing sent yet: the caller is being attested',
    '  FetchX509Bundles of the Workload API: sent 0123456789ab 10s ago; the next waits: it is about to be sent',
    '  FetchJWTBundles of the Workload API: sent 0123456789ab 10s ago, which it has not read yet',
    '  FetchJWTSVID of the Workload API: answered 1s ago',
    '  ValidateJWTSVID of the Workload API: refused 1s ago (JV-3), last answered 10s ago',
    '  ValidateJWTSVID of the Workload API: it left without an answer',
  ])
})

test('explanation() of a name says that the process asked the Workload API only', () => {
  const [, lines] = told({ ...HAS_WEB, ...own, workloadUses: [SENT] }, 'default')
  assert.equal(lines, 'It connected 1m ago, and asked for the Workload API only.')
})
