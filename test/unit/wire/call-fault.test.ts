import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Metadata, status } from '@grpc/grpc-js'
import { Bundle } from '../../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { systemClock } from '../../../src/runtime/clock.ts'
import { callFault } from '../../../src/wire/call-fault.ts'
import { createSecureClient } from '../../../src/wire/secure-client.ts'

/** Of what grpc-js says where there was no connection. */
const wordsOf = (details: string): string => {
  const failure = { code: status.UNAVAILABLE, details, metadata: new Metadata() }
  const { message } = callFault(Object.assign(new Error(details), failure), 's:8081', undefined)
  return message
}
const lastError = (text: string): string =>
  wordsOf(`No connection established. Last error: ${text}. Resolution note: `)

test('callFault() tells clocks that differ from authorities that are not known', () => {
  assert.equal(
    lastError('Error: certificate has expired'),
    's:8081 shows a certificate that has expired by the clock of this host, or what signed it has: do the clocks differ?',
  )
  assert.equal(
    lastError('Error: certificate is not yet valid'),
    's:8081 shows a certificate that is not valid yet by the clock of this host: do the clocks differ?',
  )
  for (const text of ['unable to verify the first certificate', 'self-signed certificate'])
    assert.equal(
      lastError(`Error: ${text}`),
      "s:8081 shows a certificate that is not the server's: no authority of the bundle signed it",
    )
})

test('callFault() says of a name that it has no address', () => {
  assert.equal(
    wordsOf('Name resolution failed for target dns:///s:8081'),
    's:8081 does not answer: no address is known for that name',
  )
})

test('a port that is another service of the server is told as one that speaks no TLS', async (t) => {
  const http = createServer((socket) => {
    socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.after(() => http.close())
  const { port } = http.address() as AddressInfo
  const client = createSecureClient({
    host: '127.0.0.1',
    port,
    serverName: 'example.org',
    roots: undefined,
    verify: () => undefined,
    clock: systemClock,
    keepaliveMs: 300_000,
  })
  t.after(() => client.close())
  await assert.rejects(client.call(Bundle.method.getBundle, {}, { deadlineMs: 20_000 }), {
    code: 'unreachable',
    message: `127.0.0.1:${port} does not answer: what listens there speaks no TLS`,
  })
})
