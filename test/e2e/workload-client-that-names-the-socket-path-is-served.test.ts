import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { X509SVIDResponseSchema } from '../../src/gen/spiffe/workload/workload_pb.js'
import {
  FRAME,
  frame,
  NO_STREAMS_OF_THE_SERVER,
  grpcHeaders,
  grpcMessage,
  messagesOf,
  openRawHttp2,
} from './rig/http2-frames.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'

const END_STREAM = 0x1
const WEB = { spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }

test('a client that names the path of the socket as its authority, as java-spiffe does, is served and known', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [WEB] })
  const descriptors = () => readdirSync(`/proc/${agent.child.pid}/fd`).length
  const before = descriptors()
  const client = await openRawHttp2(agent.socket, 65_535, NO_STREAMS_OF_THE_SERVER)
  rig.atEnd(() => client.socket.destroy())
  for (const stream of [1, 3]) {
    client.send(
      grpcHeaders(stream, '/SpiffeWorkloadAPI/FetchX509SVID', {
        ':authority': agent.socket,
        'workload.spiffe.io': 'true',
      }),
      grpcMessage(stream),
      frame(FRAME.data, stream, undefined, END_STREAM),
    )
    const [message] = await eventually('an answer', () => {
      const reset = client.frames.find(({ type }) => type === FRAME.reset)
      assert.equal(reset, undefined)
      const messages = messagesOf(client.frames, stream)
      return messages.length > 0 && messages
    })
    const { svids } = fromBinary(X509SVIDResponseSchema, message!)
    assert.equal(svids[0]?.spiffeId, WEB.spiffeId)
  }

  // What it is given changes as for any other, and of what it took nothing is left once it has gone.
  agent.setEntries([{ ...WEB, spiffeId: 'spiffe://example.org/other' }])
  await eventually('the other identity', () => messagesOf(client.frames, 1).length === 2)
  client.socket.destroy()
  await eventually('its descriptors are closed', () => descriptors() <= before)
})
