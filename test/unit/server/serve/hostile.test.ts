/** Whatever a batch holds, each of it gets an outcome, and nothing is a fault of Spindle's. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ScalarType } from '@bufbuild/protobuf'
import type { DescField, DescMessage, DescOneof, MessageInitShape } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { Bundle as BundleService } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import { TrustDomain as TrustDomainService } from '#spire/api/server/trustdomain/v1/trustdomain_pb.js'
import { BundleMaskSchema, BundleSchema } from '#spire/api/types/bundle_pb.js'
import { EntryMaskSchema, EntrySchema } from '#spire/api/types/entry_pb.js'
import { FederationRelationshipSchema } from '#spire/api/types/federationrelationship_pb.js'
import { status } from '../../../../src/runtime/grpc-status.ts'
import { createBundleService } from '../../../../src/server/serve/bundle/service.ts'
import { createEntryService } from '../../../../src/server/serve/entry/service.ts'
import { createTrustDomainService } from '../../../../src/server/serve/trustdomain/service.ts'
import { FULL as THOROUGH } from '../../../model/full.ts'
import { KEY, ROOT } from './bundle/messages.ts'
import { setUp } from './setting.ts'

const numRuns = THOROUGH ? 300 : 30
const A_BATCH = 20

const TEXTS: readonly string[] = [
  ['', 'a', 'e0', 'e1', 'one.test', 'two.test', 'example.org', 'spiffe://one.test', 'A.test'],
  ['/web', '/db', '/spire/agent/a', '/spire/server', 'web', '//', '/..', 'unix', 'uid:1', ':'],
  ['https://one.test/x', 'https://[', 'http://one.test', 'spiffe://two.test/e', 'spiffe://'],
  ['\0', 'a\0b', '\x1b[2J', '\u{10ffff}', 'x'.repeat(2_100), 'é'.repeat(600)],
].flat()
const BYTES = [new Uint8Array(), KEY, ROOT, ROOT.subarray(1), Uint8Array.of(0x30, 0x80)]
const EDGES = [0n, 1n, -1n, 2n ** 31n, 2n ** 53n, 253_402_300_800n, 2n ** 63n - 1n]

const SCALARS: Readonly<Partial<Record<ScalarType, fc.Arbitrary<unknown>>>> = {
  [ScalarType.STRING]: fc.oneof(
    fc.constantFrom(...TEXTS),
    fc.string({ unit: 'binary', maxLength: 5 }),
  ),
  [ScalarType.BYTES]: fc.oneof(fc.constantFrom(...BYTES), fc.uint8Array({ maxLength: 40 })),
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.INT32]: fc.oneof(fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)), fc.nat(9)),
  [ScalarType.INT64]: fc.oneof(fc.constantFrom(...EDGES, -(2n ** 63n)), fc.bigInt(0n, 9n)),
  [ScalarType.UINT64]: fc.constantFrom(...EDGES.filter((edge) => edge >= 0n), 2n ** 64n - 1n),
}

const scalar = (type: ScalarType): fc.Arbitrary<unknown> => SCALARS[type] ?? assert.fail(`${type}`)

function one(field: DescField): fc.Arbitrary<unknown> {
  if (field.fieldKind === 'scalar') return scalar(field.scalar)
  if (field.fieldKind === 'message') return messageOf(field.message)
  if (field.fieldKind !== 'list' || field.listKind === 'enum') return assert.fail(field.name)
  const { listKind } = field
  return fc.array(listKind === 'message' ? messageOf(field.message) : scalar(field.scalar), {
    maxLength: 3,
  })
}

const member = (of: DescField | DescOneof): fc.Arbitrary<unknown> =>
  of.kind === 'field'
    ? one(of)
    : fc.oneof(
        ...of.fields.map((field) => one(field).map((value) => ({ case: field.localName, value }))),
      )

/** With any of its fields. */
function messageOf<D extends DescMessage>(schema: D): fc.Arbitrary<MessageInitShape<D>> {
  const members = schema.members.map((each) => [each.localName, member(each)] as const)
  return fc.record(Object.fromEntries(members), { requiredKeys: [] }) as never
}

/** Half of them begin with what is right, so that more than the first fault is found. */
function nearly<D extends DescMessage>(
  schema: D,
  right: object,
): fc.Arbitrary<MessageInitShape<D>> {
  const some = fc.subarray(Object.keys(right))
  return fc.tuple(messageOf(schema), some).map(([given, kept]) => ({
    ...given,
    ...Object.fromEntries(
      kept.map((key) => [key, (right as Readonly<Record<string, unknown>>)[key]]),
    ),
  })) as never
}

const batch = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 1, maxLength: A_BATCH })

interface Answer {
  readonly results: readonly { readonly status?: { readonly code: number } | undefined }[]
}
const REFUSALS: readonly number[] = [
  status.OK,
  status.INVALID_ARGUMENT,
  status.ALREADY_EXISTS,
  status.NOT_FOUND,
  status.FAILED_PRECONDITION,
]
const seen = new Set<number>()

async function answers(count: number, answer: Promise<Answer>): Promise<void> {
  const { results } = await answer
  assert.equal(results.length, count)
  for (const { status: said } of results) {
    assert.ok(REFUSALS.includes(said?.code ?? -1), `code ${said?.code}`)
    seen.add(said!.code)
  }
}

const RIGHT_ENTRY = {
  spiffeId: { trustDomain: 'example.org', path: '/web' },
  parentId: { trustDomain: 'example.org', path: '/spire/agent/a' },
  selectors: [{ type: 'unix', value: 'uid:1' }],
  dnsNames: [],
  federatesWith: [],
  expiresAt: 0n,
  x509SvidTtl: 0,
  jwtSvidTtl: 0,
  hint: '',
}

const RIGHT_BUNDLE = {
  trustDomain: 'one.test',
  x509Authorities: [{ asn1: ROOT }],
  jwtAuthorities: [{ keyId: 'k', publicKey: KEY }],
  witAuthorities: [],
  refreshHint: 60n,
  sequenceNumber: 1n,
}
const RIGHT_RELATIONSHIP = {
  trustDomain: 'one.test',
  bundleEndpointUrl: 'https://one.test',
  bundleEndpointProfile: { case: 'httpsWeb', value: {} },
  trustDomainBundle: RIGHT_BUNDLE,
}

test('batches of entries, whatever they hold', { timeout: 120_000 }, async (t) => {
  const { call, faults } = await setUp(t, createEntryService)
  const { batchCreateEntry, batchUpdateEntry, batchDeleteEntry } = EntryService.method
  const entries = batch(nearly(EntrySchema, RIGHT_ENTRY))
  await fc.assert(
    fc.asyncProperty(entries, messageOf(EntryMaskSchema), async (given, inputMask) => {
      await answers(given.length, call(batchCreateEntry, { entries: given }))
      await answers(given.length, call(batchUpdateEntry, { entries: given, inputMask }))
      await answers(given.length, call(batchUpdateEntry, { entries: given }))
      const ids = given.slice(0, 2).map((entry) => entry.id ?? '')
      await answers(ids.length, call(batchDeleteEntry, { ids }))
    }),
    { numRuns },
  )
  assert.deepEqual(faults, [])
  assert.ok(seen.has(status.OK) && seen.has(status.INVALID_ARGUMENT))
})

test('batches of bundles, whatever they hold', { timeout: 120_000 }, async (t) => {
  const { call, faults } = await setUp(t, createBundleService)
  const { method } = BundleService
  const bundles = batch(nearly(BundleSchema, RIGHT_BUNDLE))
  await fc.assert(
    fc.asyncProperty(bundles, messageOf(BundleMaskSchema), async (bundle, inputMask) => {
      await answers(bundle.length, call(method.batchCreateFederatedBundle, { bundle }))
      await answers(bundle.length, call(method.batchUpdateFederatedBundle, { bundle, inputMask }))
      await answers(bundle.length, call(method.batchSetFederatedBundle, { bundle }))
      const trustDomains = bundle.slice(0, 2).map((each) => each.trustDomain ?? '')
      await answers(trustDomains.length, call(method.batchDeleteFederatedBundle, { trustDomains }))
    }),
    { numRuns },
  )
  assert.deepEqual(faults, [])
})

test('batches of relationships, whatever they hold', { timeout: 120_000 }, async (t) => {
  const { call, faults } = await setUp(t, createTrustDomainService)
  const { method } = TrustDomainService
  const relationships = batch(nearly(FederationRelationshipSchema, RIGHT_RELATIONSHIP))
  await fc.assert(
    fc.asyncProperty(relationships, async (federationRelationships) => {
      const request = { federationRelationships }
      const count = federationRelationships.length
      await answers(count, call(method.batchCreateFederationRelationship, request))
      await answers(count, call(method.batchUpdateFederationRelationship, request))
      const some = federationRelationships.slice(0, 2)
      const trustDomains = some.map((each) => each.trustDomain ?? '')
      const deleted = call(method.batchDeleteFederationRelationship, { trustDomains })
      await answers(trustDomains.length, deleted)
    }),
    { numRuns },
  )
  assert.deepEqual(faults, [])
})
