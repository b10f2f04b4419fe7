import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { explanation } from '../../../../../src/cli/sds/explain/explanation.ts'
import { ExplainResponseSchema } from '../../../../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Answer } from './setting.ts'
import {
  at,
  CONNECTED,
  HAS_WEB,
  HELD,
  NOW,
  SECOND,
  told,
  UNISSUED_WEB,
  UNSENT,
  WEB,
} from './setting.ts'

test('explanation() of a secret that is there says so, when it was taken and when it is renewed', () => {
  assert.deepEqual(told({ ...HAS_WEB, secrets: [HELD] }, 'default'), [
    'Process 58 has default, the X.509-SVID of spiffe://example.org/web.',
    'It connected 1m ago (node web-1, Envoy 1.40.0).\n' +
      '  over Delta: sent 0123456789ab 10s ago, acknowledged after 8 ms',
    'Next: It is renewed in 20m and pushed at once; the present one ends in 50m.',
    'Try: spindle sds list --watch',
  ])
})

test('explanation() of a name that is lacking names each selector with what the process has instead', () => {
  const answer: Answer = {
    ...CONNECTED,
    nameState: 'absent',
    nameWhy: 'no entry matches this caller',
    near: [
      {
        spiffeId: 'spiffe://example.org/api',
        grantsName: true,
        missingSelectors: ['unix:uid:1001', 'unix:user:api'],
        missing: [
          { selector: 'unix:uid:1001', has: ['unix:uid:1000'] },
          { selector: 'unix:user:api', has: [] },
          { selector: 'unix:path:/usr/bin/envoy', unknown: true },
          {
            selector: 'unix:supplementary_gid:9',
            has: [1, 2, 3, 4, 5].map((gid) => `unix:supplementary_gid:${gid}`),
          },
        ],
      },
      { spiffeId: 'spiffe://example.org/db' },
    ],
    secrets: [{ name: 'default', state: 'waiting', variant: 'delta', removedAt: at(-5 * SECOND) }],
  }
  assert.deepEqual(told(answer, 'default'), [
    'Process 58 lacks default: no entry matches this caller.',
    [
      'The nearest entry that grants it is spiffe://example.org/api. It wants',
      '  unix:uid:1001             and the process has unix:uid:1000',
      '  unix:user:api             and the process has none of that kind',
      '  unix:path:/usr/bin/envoy  which could not be looked up just now',
      '  unix:supplementary_gid:9  and the process has unix:supplementary_gid:1, unix:supplementary_gid:2, unix:supplementary_gid:3 and 2 more',
    ].join('\n'),
    'It connected 1m ago (node web-1, Envoy 1.40.0).\n' +
      '  over Delta: told 5s ago that there is no such name, held open',
    'Next: The moment an entry grants it, it is pushed; nothing has to be restarted.',
    'Try: spindle status  # names the entries file; it takes effect when saved\n' +
      '     spindle sds explain --pid 58 --name default',
  ])
})

test('explanation() of a name that no entry grants to anybody says so, and what may be asked for', () => {
  const answer: Answer = {
    ...HAS_WEB,
    nameState: 'absent',
    nameWhy: 'the name is no alias, and no entry of this caller has it as its hint',
    near: [{ spiffeId: 'spiffe://example.org/api', grantsName: false }],
    secrets: [HELD],
  }
  const [first, second, third] = told(answer, "de'fault")
  assert.match(first ?? '', /^Process 58 lacks de'fault: the name is no alias/)
  assert.equal(
    second,
    "No entry grants de'fault to anybody. The process may ask for default, spiffe://example.org/web, ROOTCA and ALL.",
  )
  assert.match(third ?? '', /, and asked for default only\.$/)
  assert.match(told(answer, "de'fault").at(-1) ?? '', /--name 'de'\\''fault'$/)
})

test('explanation() of an entry that was deleted says that Envoy works on with what it has', () => {
  const answer: Answer = {
    ...CONNECTED,
    nameState: 'absent',
    nameWhy: 'no entry matches this caller',
    secrets: [{ ...HELD, state: 'revoked', version: '', removedAt: at(-2 * SECOND) }],
  }
  const [first, second, third, next] = told(answer, 'default')
  assert.match(first ?? '', /Its Envoy still works with what it was sent before\.$/)
  assert.match(second ?? '', /^No entry grants default to anybody\.$/)
  assert.match(
    third ?? '',
    /sent 0123456789ab 10s ago, told 2s ago that there is no such name, it keeps that until 2030-01-01T12:50:00Z$/,
  )
  assert.match(next ?? '', /Removal does not revoke in Envoy/)
})

test('explanation() of a rejected secret tells its class, what Envoy works with, and what helps', () => {
  const held = { ...HELD, state: 'rejected', rejection: 'key_mismatch' }
  const texts = told({ ...HAS_WEB, secrets: [{ ...held, acknowledgedVersion: 'fedc' }] }, 'default')
  assert.match(texts[0] ?? '', /was sent default, .*, and rejected it \(key_mismatch\)\.$/)
  assert.match(texts[1] ?? '', /rejected after 8 ms \(key_mismatch\), it works with version fedc$/)
  assert.equal(
    texts[2],
    'Next: It is not sent again until its content changes, at its renewal in 20m.',
  )
  assert.match(texts[3] ?? '', /^Try: spindle svid renew\n/)

  const never = { ...held, acknowledgedVersion: '', rejection: 'type_mismatch' }
  const mistyped = told({ ...HAS_WEB, secrets: [never, HELD] }, 'default')
  assert.match(mistyped[0] ?? '', /rejected it \(type_mismatch\)/, 'the worst of two streams')
  assert.match(mistyped[1] ?? '', /it has nothing to work with/)
  assert.equal(mistyped[3], 'Try: spindle doctor --envoy FILE')
})

test('explanation() of a secret that was sent says whether an answer is still awaited', () => {
  const sent = told({ ...HAS_WEB, secrets: [{ ...HELD, state: 'sent' }] }, 'default')
  assert.match(sent[0] ?? '', /and has not answered yet\.$/)
  assert.match(sent[1] ?? '', /sent 0123456789ab 10s ago, not answered yet$/)
  const late = told({ ...HAS_WEB, secrets: [{ ...HELD, state: 'unanswered' }] }, 'default')
  assert.match(late[0] ?? '', /neither acknowledged nor rejected it in time\.$/)
})

test('explanation() of a process that never connected says what it would get', () => {
  const texts = told(
    {
      ...HAS_WEB,
      connections: [],
      entries: [UNISSUED_WEB],
    },
    'default',
  )
  assert.deepEqual(texts, [
    'Process 58 may have default, the X.509-SVID of spiffe://example.org/web, but is not connected to the agent.',
    'It has no open connection to the agent: it never connected, has closed it, or was refused one.',
    'Next: It is issued when the process asks.',
    'Try: spindle doctor --envoy FILE  # the configuration of its Envoy\n' +
      '     spindle sds explain --pid 58 --name default',
  ])
})

test('explanation() of a connected process that asked for something else says for what', () => {
  const texts = told({ ...HAS_WEB, secrets: [{ ...HELD, name: 'ROOTCA' }] }, 'default')
  assert.match(texts[0] ?? '', /, but has not asked for it\.$/)
  assert.match(texts[1] ?? '', /, and asked for ROOTCA only\.$/)
})

test('explanation() of what is undecided lacks nothing and says when it is looked up again', () => {
  const answer: Answer = {
    ...CONNECTED,
    entries: [WEB],
    unknownKinds: ['unix:path', 'unix:sha256'],
    undecided: 'selectors could not be looked up: unix:path, unix:sha256',
    attestedAgainAt: at(3 * SECOND),
    nameState: 'pending',
    nameWhy: 'selectors of the process could not be looked up just now',
    near: [
      {
        spiffeId: 'spiffe://example.org/env',
        grantsName: true,
        missing: [{ selector: 'unix:path:/usr/bin/envoy', unknown: true }],
      },
    ],
    secrets: [{ ...UNSENT, name: 'env', why: 'not known yet' }],
  }
  const texts = told(answer, 'env')
  assert.equal(
    texts[0],
    'It cannot be said yet whether process 58 may have env: its unix:path and unix:sha256 could not be looked up just now.',
  )
  assert.match(texts[1] ?? '', /unix:path:\/usr\/bin\/envoy {2}which could not be looked up/)
  assert.equal(texts[3], 'Next: It is looked up again by itself, in 3s.')
  assert.match(texts[4] ?? '', /^Try: spindle doctor\n/)
  // What is granted already is not in doubt because something else is.
  const granted = told({ ...answer, ...HAS_WEB, secrets: [HELD] }, 'default')
  assert.match(granted[0] ?? '', /^Process 58 has default/)
  const unnamed = told({ ...answer, entries: [], nameState: '' })
  assert.match(unnamed[0] ?? '', /^It cannot be said yet what process 58 is: /)
  const { attestedAgainAt: _, ...unscheduled } = answer
  const quiet = told({ ...unscheduled, connections: [] }, 'env')
  assert(quiet.includes('Next: It is looked up anew when the process connects.'))
})

test('explanation() of an identity that cannot be issued tells why and when it is tried again', () => {
  const failure = { fault: 'no CA certificate is active', retryAt: at(4 * SECOND) }
  const failing = { ...WEB, ...failure }
  const none = told(
    {
      ...HAS_WEB,
      entries: [{ ...UNISSUED_WEB, ...failure }],
      nameState: 'pending',
      nameWhy: failure.fault,
      secrets: [{ ...UNSENT, why: failure.fault }],
    },
    'default',
  )
  assert.equal(
    none[0],
    'Process 58 is granted default, and does not have it yet: no CA certificate is active.',
  )
  assert.equal(
    none[2],
    'Next: Issuing it failed (no CA certificate is active) and is tried again in 4s.',
  )
  assert.match(none[3] ?? '', /^Try: spindle ca show\n/)
  const renewing = told({ ...HAS_WEB, entries: [failing], secrets: [HELD] }, 'default')
  assert.match(renewing[2] ?? '', /tried again in 4s; what it has ends in 50m\.$/)
})

test('explanation() of a bundle says what makes the next one come', () => {
  const { expiresAt: _, ...unending } = HELD
  const held = { ...unending, name: 'ROOTCA', kind: 'bundle' }
  const nameWhy = 'the bundle of example.org'
  const texts = told({ ...HAS_WEB, nameWhy, secrets: [held] }, 'ROOTCA')
  assert.equal(texts[0], 'Process 58 has ROOTCA, the bundle of example.org.')
  assert.equal(texts[2], 'Next: The next one is pushed when the CA or the bundle changes.')
})

test('explanation() without a name tells who the process is, and of every stream', () => {
  const other = { ...WEB, spiffeId: 'spiffe://example.org/other', default: false, names: ['o'] }
  const texts = told({
    ...HAS_WEB,
    nameState: '',
    nameWhy: '',
    entries: [WEB, other],
    secrets: [HELD, { ...HELD, name: 'ROOTCA', variant: 'sotw' }],
  })
  assert.equal(
    texts[0],
    'Process 58 is spiffe://example.org/web (its default) and spiffe://example.org/other.',
  )
  assert.match(
    texts[1] ?? '',
    /\n {2}default, over Delta: .*\n {2}ROOTCA, over state of the world: /,
  )
  assert.match(texts[2] ?? '', /^Next: spiffe:\/\/example\.org\/web: It is renewed in 20m/)

  const nobody = told({ near: [{ spiffeId: 'spiffe://example.org/web', missing: [] }] })
  assert.equal(nobody[0], 'Process 58 has no identity: no entry matches it.')
  assert.match(told({})[1] ?? '', /^The agent has no entries at all\.$/)
})

test('explanation() ends with every fact it stands on', () => {
  const message = create(ExplainResponseSchema, {
    ...HAS_WEB,
    pid: 58,
    uid: 1000,
    gid: 1001,
    executable: '/usr/bin/envoy',
    selectors: ['unix:uid:1000'],
    notes: ['unix:user: uid 1000 has no name'],
    near: [{ spiffeId: 'spiffe://example.org/api', missingSelectors: ['unix:uid:7'] }],
    secrets: [HELD],
  })
  const text = explanation({ answer: message, name: '', now: NOW })
  assert.match(
    text,
    /^uid +1000\ngid +1001\nexecutable +\/usr\/bin\/envoy\nselectors +unix:uid:1000$/m,
  )
  assert.match(text, /^note +unix:user: uid 1000 has no name$/m)
  assert.match(text, /^spiffe:\/\/example\.org\/web +yes +- +default .* in 50m +in 20m +-$/m)
  assert.match(text, /^spiffe:\/\/example\.org\/api +unix:uid:7$/m)
  assert.match(text, /^delta +default +acknowledged +0123456789ab +in 50m +-$/m)
})
