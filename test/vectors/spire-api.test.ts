/** SPIRE's server API on the wire: what its published descriptors say, without the generator that our code comes from. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import * as agent from '#spire/api/server/agent/v1/agent_pb.js'
import * as bundle from '#spire/api/server/bundle/v1/bundle_pb.js'
import * as entry from '#spire/api/server/entry/v1/entry_pb.js'
import * as svid from '#spire/api/server/svid/v1/svid_pb.js'
import { EntrySchema } from '#spire/api/types/entry_pb.js'
import { FederationRelationshipSchema } from '#spire/api/types/federationrelationship_pb.js'
import {
  PermissionDeniedDetailsSchema,
  PermissionDeniedDetails_Reason,
  StatusSchema,
} from '#spire/api/types/status_pb.js'
import { compareEnums, compareFiles, compareMessages, compareRpcs } from './wire/compare.ts'
import { readFacts } from './wire/facts.ts'
import { compareBytes, ignoresUnknown } from './wire/golden.ts'
import { SPIRE_FILES } from './wire/spire-files.ts'
import { SERVER } from './wire/spire-server.ts'
import { TYPES } from './wire/spire-types.ts'

const FACTS = readFacts(SERVER, TYPES)

test('the files of #spire are those of the facts, by path, package and imports, and no other is generated', () => {
  compareFiles(SPIRE_FILES, FACTS)
  const gen = join(import.meta.dirname, '../../src/gen/spire')
  const names = readdirSync(gen, { recursive: true, encoding: 'utf8' })
  assert.equal(names.filter((name) => name.endsWith('_pb.js')).length, SPIRE_FILES.length)
})

test('each message has the fields of the facts: number, name, type, repeated, optional and oneof, none missing and none more', () => {
  compareMessages(SPIRE_FILES, FACTS)
})

test('each enum has the values of the facts', () => {
  compareEnums(SPIRE_FILES, FACTS)
})

test('each service has the calls of the facts: name, types, streams and path', () => {
  compareRpcs(SPIRE_FILES, FACTS)
})

test('each field of each message is written and read as the bytes that its number and type make', () => {
  assert.ok(compareBytes(SPIRE_FILES, FACTS) > 500)
})

test('what a request says beyond what is known is left out, at every depth', () => {
  assert.equal(ignoresUnknown(SPIRE_FILES, FACTS), FACTS.rpcs.length)
})

interface Written<Desc extends DescMessage> {
  readonly schema: Desc
  readonly says: MessageInitShape<Desc>
  /** Hex by parts, spaces anywhere. */
  readonly bytes: string
}
const written = <Desc extends DescMessage>(one: Written<Desc>): Written<DescMessage> =>
  one as unknown as Written<DescMessage>

const JOIN_TOKEN = '0a0a 6a6f696e5f746f6b656e'
const CSR = Uint8Array.of(0x30, 0x00)

/** By hand, from the numbers: the encoder of the tests above is held to these too. */
const BY_HAND: readonly Written<DescMessage>[] = [
  written({
    schema: agent.AttestAgentRequestSchema,
    says: {
      step: {
        case: 'params',
        value: {
          data: { type: 'join_token', payload: Uint8Array.of(0x74, 0x6f, 0x6b) },
          params: { csr: CSR },
        },
      },
    },
    bytes: `0a19 0a11 ${JOIN_TOKEN} 1203 746f6b 1204 0a02 3000`,
  }),
  written({
    schema: agent.AttestAgentRequestSchema,
    says: { step: { case: 'challengeResponse', value: new Uint8Array(0) } },
    bytes: '1200',
  }),
  written({
    schema: agent.PostStatusRequestSchema,
    says: { currentBundleSerial: 2n ** 64n - 1n, agentVersion: '1' },
    bytes: '08 ffffffffffffffffff01 1201 31',
  }),
  written({
    // Banned: no; whether it can attest anew: either.
    schema: agent.ListAgentsRequestSchema,
    says: { filter: { byBanned: false }, outputMask: {}, pageSize: 300, pageToken: 'n' },
    bytes: '0a02 1a00 1200 18ac02 2201 6e',
  }),
  written({
    schema: entry.CountEntriesRequestSchema,
    says: { filter: { byHint: '', byDownstream: true } },
    bytes: '0a06 2a00 3202 0801',
  }),
  written({
    schema: EntrySchema,
    says: {
      id: 'e',
      spiffeId: { trustDomain: 'td', path: '/w' },
      selectors: [
        { type: 'unix', value: 'uid:1' },
        { type: 'unix', value: 'gid:2' },
      ],
      x509SvidTtl: 60,
      federatesWith: ['a', 'b'],
      storeSvid: true,
      createdAt: 1n,
      additionalAttributes: {},
    },
    bytes: `0a01 65 1208 0a02 7464 1202 2f77
            220d 0a04 756e6978 1205 7569643a31 220d 0a04 756e6978 1205 6769643a32
            283c 3201 61 3201 62 6001 7801 820100`,
  }),
  written({
    schema: entry.SyncAuthorizedEntriesResponseSchema,
    says: { entryRevisions: [{ id: 'e', revisionNumber: 128n, createdAt: 1n }], more: true },
    bytes: '0a08 0a01 65 108001 1801 1801',
  }),
  written({
    schema: bundle.BatchDeleteFederatedBundleRequestSchema,
    says: {
      trustDomains: ['a'],
      mode: bundle.BatchDeleteFederatedBundleRequest_Mode.DISSOCIATE,
    },
    bytes: '0a01 61 1002',
  }),
  written({
    schema: svid.BatchNewX509SVIDRequestSchema,
    says: { params: [{ entryId: 'a', csr: CSR }, { entryId: 'b' }] },
    bytes: '0a07 0a01 61 1202 3000 0a03 0a01 62',
  }),
  written({
    schema: FederationRelationshipSchema,
    says: { trustDomain: 'td', bundleEndpointProfile: { case: 'httpsWeb', value: {} } },
    bytes: '0a02 7464 1a00',
  }),
  written({
    schema: PermissionDeniedDetailsSchema,
    says: { reason: PermissionDeniedDetails_Reason.AGENT_BANNED },
    bytes: '0804',
  }),
  written({ schema: StatusSchema, says: { code: 6, message: 'x' }, bytes: '0806 1201 78' }),
]

test('messages of the calls that matter most are the bytes written here by hand', () => {
  for (const { schema, says, bytes } of BY_HAND) {
    const wanted = bytes.replaceAll(/\s/g, '')
    const message = create(schema, says)
    assert.equal(Buffer.from(toBinary(schema, message)).toString('hex'), wanted, schema.typeName)
    const read = fromBinary(schema, Uint8Array.from(Buffer.from(wanted, 'hex')))
    assert.deepEqual(read, message, schema.typeName)
  }
})

test('a filter that is absent is not one that is false or empty', () => {
  const { filter } = create(entry.CountEntriesRequestSchema, { filter: {} })
  assert.deepEqual([filter?.byHint, filter?.byDownstream], [undefined, undefined])
  const said = fromBinary(entry.CountEntriesRequestSchema, Buffer.from('0a042a003200', 'hex'))
  assert.deepEqual([said.filter?.byHint, said.filter?.byDownstream], ['', false])
})
