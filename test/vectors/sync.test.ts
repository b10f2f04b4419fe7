/** spindle.sync.v1 on the wire: agents and servers of different versions meet on these numbers, so they stay as they are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { file_spindle_sync_v1_sync } from '#spindle/sync/v1/sync_pb.js'
import { compareEnums, compareFiles, compareMessages, compareRpcs } from './wire/compare.ts'
import { readFacts } from './wire/facts.ts'
import type { Facts } from './wire/facts.ts'
import { compareBytes, ignoresUnknown } from './wire/golden.ts'
import { TYPES } from './wire/spire-types.ts'

const SYNC = {
  'spindle/sync/v1/sync.proto': `
    rpc SyncService/Sync(stream SyncRequest): stream SyncResponse
    message SyncRequest: 1 open Open of step; 2 applied Applied of step
    message Open: 1 resume_token bytes; 2 agent_version string
    message Applied: 1 resume_token bytes; 2 x509_authorities_in_use repeated string; 3 jwt_authorities_in_use repeated string; 4 more_x509_authorities_in_use bool; 5 more_jwt_authorities_in_use bool
    message SyncResponse: 1 full bool; 2 entries repeated types.Entry; 3 removed_entries repeated string; 4 bundles repeated types.Bundle; 5 removed_bundles repeated string; 6 complete bool; 7 resume_token bytes; 8 entry_count uint32; 9 bundle_count uint32
  `,
}

const FILES = [file_spindle_sync_v1_sync]
const ALL = readFacts(SYNC, TYPES)
/** What is of SPIRE's is held to its numbers in spire-api.test.ts. */
const OWN: Facts = {
  ...ALL,
  files: new Map([...ALL.files].filter(([path]) => path.startsWith('spindle/'))),
  messages: new Map([...ALL.messages].filter(([name]) => name.startsWith('spindle.'))),
  enums: new Map(),
}

test('spindle.sync.v1 has the call, messages and fields that it was published with', () => {
  compareFiles(FILES, OWN)
  compareMessages(FILES, OWN)
  compareEnums(FILES, OWN)
  compareRpcs(FILES, OWN)
})

test('each field of spindle.sync.v1 is the bytes that its number and type make, and what is not known is left out', () => {
  assert.ok(compareBytes(FILES, ALL) > 20)
  assert.equal(ignoresUnknown(FILES, ALL), 1)
})
