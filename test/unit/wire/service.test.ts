import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretDiscoveryService } from '../../../src/gen/envoy/service/secret/v3/sds_pb.js'
import { serviceDefinition, Unreadable } from '../../../src/wire/service.ts'

const garbage = Buffer.from('ff'.repeat(8), 'hex')

test("serviceDefinition() leaves what cannot be decoded of a client's stream to whoever holds the stream", () => {
  const { DeltaSecrets, FetchSecrets } = serviceDefinition(SecretDiscoveryService)
  assert(DeltaSecrets?.requestDeserialize(garbage) instanceof Unreadable)
  // A single request has nobody yet: gRPC answers it.
  assert.throws(() => FetchSecrets?.requestDeserialize(garbage))
})
