import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { Entry, GetAuthorizedEntriesRequestSchema } from '#spire/api/server/entry/v1/entry_pb.js'
import { methodDefinition } from '../../../src/wire/service.ts'
import { runServer } from '../../fakes/running-server.ts'

const { path, requestSerialize, responseDeserialize } = methodDefinition(
  Entry.method.getAuthorizedEntries,
)

test('Server.stop() leaves no denial that was counted out of the audit', async (t) => {
  const lines: { readonly audit: string; readonly times?: number; readonly method?: string }[] = []
  const audit = (line: string): void => void lines.push(JSON.parse(line))
  const { server, address } = await runServer(t, { audit, more: 'log: { format: json }' })
  const verify = { rejectUnauthorized: false, checkServerIdentity: () => undefined }
  const client = new grpc.Client(
    `${address.host}:${address.port}`,
    grpc.credentials.createSsl(null, null, null, verify),
    {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.ssl_target_name_override': 'server.test',
    },
  )
  t.after(() => client.close())
  for (let at = 0; at < 5; at++) {
    const code = await new Promise((resolve) =>
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        create(GetAuthorizedEntriesRequestSchema),
        (error) => resolve(error?.code),
      ),
    )
    assert.equal(code, grpc.status.PERMISSION_DENIED)
  }
  const denials = () => lines.filter((line) => line.audit === 'denied')
  assert.equal(denials()[0]?.method, path)
  await server.stop()
  assert.equal(
    denials().reduce((sum, { times = 1 }) => sum + times, 0),
    5,
  )
})
