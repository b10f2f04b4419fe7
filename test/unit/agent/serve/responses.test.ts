import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from '#envoy/service/discovery/v3/discovery_pb.js'
import { createResponseEncoder } from '../../../../src/agent/serve/responses.ts'
import type { Resource } from '../../../../src/xds/resource.ts'
import { SECRET_TYPE_URL } from '../../../../src/xds/resource.ts'

const web: Resource = {
  name: 'default',
  version: 'v1',
  bytes: Buffer.from('secret one'),
  kind: 'svid',
}
const root: Resource = {
  name: 'ROOTCA',
  version: 'v2',
  bytes: Buffer.from('secret two'),
  kind: 'bundle',
}

test('sotw() writes a DiscoveryResponse that protobuf reads back field by field', () => {
  const encoder = createResponseEncoder('agent-7')
  for (let again = 0; again < 2; again++) {
    const bytes = encoder.sotw({ nonce: `n${again}`, version: 'all', resources: [web, root] })
    const read = fromBinary(DiscoveryResponseSchema, bytes)
    assert.equal(read.versionInfo, 'all')
    assert.equal(read.nonce, `n${again}`)
    assert.equal(read.typeUrl, SECRET_TYPE_URL)
    assert.equal(read.controlPlane?.identifier, 'agent-7')
    assert.deepEqual(
      read.resources.map((any) => [any.typeUrl, Buffer.from(any.value).toString()]),
      [
        [SECRET_TYPE_URL, 'secret one'],
        [SECRET_TYPE_URL, 'secret two'],
      ],
    )
    assert.equal(read.$unknown, undefined)
  }
})

test('delta() writes a DeltaDiscoveryResponse with versions, names and removals', () => {
  const encoder = createResponseEncoder('agent-7')
  const bytes = encoder.delta({
    nonce: 'n',
    systemVersion: 's',
    resources: [root],
    removed: ['gone', 'too'],
  })
  const read = fromBinary(DeltaDiscoveryResponseSchema, bytes)
  assert.equal(read.systemVersionInfo, 's')
  assert.equal(read.nonce, 'n')
  assert.equal(read.typeUrl, SECRET_TYPE_URL)
  assert.deepEqual(read.removedResources, ['gone', 'too'])
  assert.equal(read.controlPlane?.identifier, 'agent-7')
  assert.equal(read.resources.length, 1)
  assert.equal(read.resources[0]?.name, 'ROOTCA')
  assert.equal(read.resources[0]?.version, 'v2')
  assert.equal(read.resources[0]?.resource?.typeUrl, SECRET_TYPE_URL)
  assert.equal(Buffer.from(read.resources[0]?.resource?.value ?? []).toString(), 'secret two')
  assert.equal(read.$unknown, undefined)
})
