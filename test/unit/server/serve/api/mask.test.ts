import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { AgentMaskSchema, AgentSchema } from '#spire/api/types/agent_pb.js'
import { BundleMaskSchema, BundleSchema } from '#spire/api/types/bundle_pb.js'
import { EntryMaskSchema, EntrySchema } from '#spire/api/types/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import {
  FederationRelationshipMaskSchema,
  FederationRelationshipSchema,
} from '#spire/api/types/federationrelationship_pb.js'
import { applyMask, updateByMask } from '../../../../../src/server/serve/api/mask.ts'

const ENTRY = create(EntrySchema, {
  id: 'e',
  spiffeId: { trustDomain: 'td', path: '/w' },
  parentId: { trustDomain: 'td', path: '/a' },
  selectors: [{ type: 'unix', value: 'uid:1' }],
  x509SvidTtl: 1,
  federatesWith: ['other'],
  admin: true,
  downstream: true,
  expiresAt: 2n,
  dnsNames: ['w'],
  revisionNumber: 3n,
  storeSvid: true,
  jwtSvidTtl: 4,
  hint: 'h',
  createdAt: 5n,
  additionalAttributes: {},
})
const OTHER = create(EntrySchema, { id: 'other', hint: 'o', dnsNames: ['o'], createdAt: 6n })

const named = (fields: object): readonly string[] => Object.keys(fields).toSorted()

test('applyMask without a mask wants all fields', () => {
  const { $typeName, ...fields } = ENTRY
  assert.equal($typeName, 'spire.api.types.Entry')
  assert.deepEqual(applyMask(undefined, ENTRY, 'id'), fields)
  assert.deepEqual(create(EntrySchema, applyMask(undefined, ENTRY, 'id')), ENTRY)
})

test('applyMask with a mask that names nothing leaves the key', () => {
  assert.deepEqual(applyMask(create(EntryMaskSchema), ENTRY, 'id'), { id: 'e' })
})

test('applyMask gives what it names, and to a message again, where the rest is empty', () => {
  const masked = applyMask(create(EntryMaskSchema, { hint: true, admin: true }), ENTRY, 'id')
  assert.deepEqual(masked, { id: 'e', hint: 'h', admin: true })
  const again = create(EntrySchema, masked)
  assert.deepEqual(again, create(EntrySchema, { id: 'e', hint: 'h', admin: true }))
  assert.deepEqual(fromBinary(EntrySchema, toBinary(EntrySchema, again)), again)
})

test('applyMask does not heed what a newer client says in a mask, nor what a message has that is not known', () => {
  // hint, and fields 1 and 99, which no mask has.
  const mask = fromBinary(EntryMaskSchema, Uint8Array.of(0x08, 1, 0x70, 1, 0x98, 0x06, 1))
  assert.equal(mask.$unknown?.length, 2)
  const entry = fromBinary(EntrySchema, Uint8Array.of(0x0a, 1, 0x65, 0x72, 1, 0x68, 0x98, 0x06, 1))
  assert.equal(entry.$unknown?.length, 1)
  assert.deepEqual(applyMask(mask, entry, 'id'), { id: 'e', hint: 'h' })
  assert.deepEqual(
    named(applyMask(undefined, entry, 'id')).filter((name) => name < 'a'),
    [],
  )
})

test('each mask of the API names the fields of its message, one by one', () => {
  const agent = create(AgentSchema, {
    id: { trustDomain: 'td', path: '/a' },
    attestationType: 't',
    x509svidSerialNumber: '1',
    x509svidExpiresAt: 2n,
    selectors: [{ type: 's', value: 'v' }],
    banned: true,
    canReattest: true,
    agentVersion: 'v',
  })
  const bundle = create(BundleSchema, {
    trustDomain: 'td',
    x509Authorities: [{ tainted: true }],
    jwtAuthorities: [{ keyId: 'k' }],
    refreshHint: 1n,
    sequenceNumber: 2n,
    witAuthorities: [{ keyId: 'w' }],
  })
  const relationship = create(FederationRelationshipSchema, {
    trustDomain: 'td',
    bundleEndpointUrl: 'u',
    bundleEndpointProfile: { case: 'httpsWeb', value: {} },
    trustDomainBundle: { trustDomain: 'td' },
  })
  const relationshipMask = create(FederationRelationshipMaskSchema)
  const masks = [
    { key: 'id', value: ENTRY, mask: create(EntryMaskSchema), one: applyOne(ENTRY, 'id') },
    { key: 'id', value: agent, mask: create(AgentMaskSchema), one: applyOne(agent, 'id') },
    {
      key: 'trustDomain',
      value: bundle,
      mask: create(BundleMaskSchema),
      one: applyOne(bundle, 'trustDomain'),
    },
    {
      key: 'trustDomain',
      value: relationship,
      mask: relationshipMask,
      one: applyOne(relationship, 'trustDomain'),
    },
  ]
  for (const { key, value, mask, one } of masks) {
    const fields = named(mask).filter((name) => !name.startsWith('$'))
    assert.deepEqual(
      [...fields, key].toSorted(),
      named(value).filter((name) => !name.startsWith('$')),
    )
    for (const field of fields) assert.deepEqual(named(one(mask, field)), [field, key].toSorted())
  }
})

/** What a mask with one field set leaves of a value. */
function applyOne<T extends object, Key extends keyof T & string>(value: T, key: Key) {
  return (mask: object, field: string): object =>
    applyMask({ ...mask, [field]: true } as Parameters<typeof applyMask<T, Key>>[0], value, key)
}

test('updateByMask without a mask takes all that is given, but for the key', () => {
  const { $typeName: _, ...given } = OTHER
  const updated = updateByMask(undefined, { current: ENTRY, given: OTHER }, 'id')
  assert.deepEqual(create(EntrySchema, updated), create(EntrySchema, { ...given, id: 'e' }))
})

test('updateByMask takes what the mask names, also where it is empty', () => {
  const mask = create(EntryMaskSchema, { hint: true, selectors: true, additionalAttributes: true })
  const updated = updateByMask(mask, { current: ENTRY, given: OTHER }, 'id')
  const { $typeName: _, additionalAttributes: __, ...kept } = ENTRY
  assert.deepEqual(updated, { ...kept, hint: 'o', selectors: [] })
})

const FIELDS = named(create(EntryMaskSchema)).filter((name) => !name.startsWith('$'))
const masks = fc
  .subarray(FIELDS)
  .map((wanted) => create(EntryMaskSchema, Object.fromEntries(wanted.map((name) => [name, true]))))
const entries = fc
  .subarray(FIELDS)
  .map((empty) =>
    create(
      EntrySchema,
      Object.fromEntries(
        Object.entries(ENTRY).filter(([name]) => name !== '$typeName' && !empty.includes(name)),
      ),
    ),
  )
const value = (entry: Entry | object, field: string): unknown =>
  (entry as Readonly<Record<string, unknown>>)[field]

test('applyMask, for any mask and entry: the key, what is wanted as it is, and nothing else; twice is once', () => {
  fc.assert(
    fc.property(masks, entries, (mask, entry) => {
      const masked = applyMask(mask, entry, 'id')
      assert.equal(masked.id, 'e')
      for (const field of FIELDS) {
        const wanted = value(mask, field) === true ? value(entry, field) : undefined
        assert.equal(value(masked, field), wanted, field)
      }
      const message = create(EntrySchema, masked)
      assert.deepEqual(create(EntrySchema, applyMask(mask, message, 'id')), message)
    }),
  )
})

test('updateByMask, for any mask and entries: each field is of one or of the other; what a mask took it shows', () => {
  fc.assert(
    fc.property(masks, entries, entries, (mask, current, given) => {
      const updated = create(EntrySchema, updateByMask(mask, { current, given }, 'id'))
      for (const field of FIELDS) {
        const from = value(mask, field) === true ? given : current
        assert.deepEqual(value(updated, field), value(from, field), field)
      }
      const shown = create(EntrySchema, applyMask(mask, updated, 'id'))
      assert.deepEqual(shown, create(EntrySchema, applyMask(mask, given, 'id')))
    }),
  )
})
