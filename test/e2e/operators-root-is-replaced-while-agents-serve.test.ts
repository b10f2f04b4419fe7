/** The five steps of docs/authority-rotation.md by which an operator gives up the CA above a server's. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MessageShape } from '@bufbuild/protobuf'
import { parseCertificate } from '../../src/certs/parse.ts'
import { AuthorityKind, AuthorityRotation } from '../../src/gen/spindle/server/v1/rotation_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { LocalAuthority } from '../../src/gen/spire/api/server/localauthority/v1/localauthority_pb.js'
import { messageOf } from '../../src/runtime/errors.ts'
import { splitDer } from '../../src/spiffe/der.ts'
import { createOperatorCa } from '../fakes/operator-ca.ts'
import type { OperatorCa } from '../fakes/operator-ca.ts'
import { addEntry, joining } from './rig/joining.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createWorkloadTestClient } from './rig/workload-client.ts'

const { fetchX509SVID } = SpiffeWorkloadAPI.method
type Update = MessageShape<(typeof fetchX509SVID)['output']>
const DEADLINE = { deadlineMs: 20_000 }

const keyId = (ca: OperatorCa): string =>
  parseCertificate(Buffer.from(ca.certificate.rawData), 'a CA').subjectKeyId

/** The root that the SVID leads to, and those of the bundle beside it. */
function seen({ svids: [svid] }: Update) {
  const read = (der: Uint8Array) => splitDer(der, 8)!.map((one) => parseCertificate(one, 'one'))
  const { x509Svid, bundle } = svid!
  return {
    root: read(x509Svid).at(-1)!.authorityKeyId,
    trusted: read(bundle).map(({ subjectKeyId }) => subjectKeyId),
  }
}

test('a root of an operator is replaced while agents serve, by the steps of the documentation', async (t) => {
  const rig = createRig(t)
  const life = { notBefore: Date.now() - 3_600_000, notAfter: Date.now() + 10 * 86_400_000 }
  const first = await createOperatorCa({ name: 'first', ...life })
  const second = await createOperatorCa({ name: 'second', ...life })
  const folder = join(rig.folder, 'ca')
  mkdirSync(folder, { mode: 0o700 })
  const [certFile, keyFile, bundleFile] = [
    join(folder, 'ca.pem'),
    join(folder, 'key.pem'),
    join(folder, 'roots.pem'),
  ]
  const use = (signing: OperatorCa, ...roots: readonly OperatorCa[]): void => {
    writeFileSync(keyFile, signing.keyPem)
    chmodSync(keyFile, 0o600)
    writeFileSync(certFile, signing.certPem)
    writeFileSync(bundleFile, roots.map(({ certPem }) => certPem).join(''))
  }
  use(first, first)
  const authority = { kind: 'disk', certFile, keyFile, bundleFile }
  const server = await rig.server({ config: { authority } })
  const { config } = await joining(rig, server, 'a')
  const agent = await rig.agent({ config })
  await addEntry(server, 'a', '/a')
  const client = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => client.close())
  const stream = client.stream(fetchX509SVID)
  await stream.next((update) => update.svids.length === 1)

  use(second, first, second)
  server.child.signal('SIGHUP')
  await stream.next((update) => seen(update).trusted.length === 2)
  const request = { kind: AuthorityKind.X509 }
  const { signal } = new AbortController()
  for await (const _ of server.local.stream(AuthorityRotation.method.rotate, request, { signal }));
  const old = { subjectKeyId: keyId(first) }
  const { taintX509UpstreamAuthority, revokeX509UpstreamAuthority } = LocalAuthority.method
  await server.local.call(taintX509UpstreamAuthority, old, DEADLINE)
  await stream.next((update) => seen(update).root === keyId(second))
  let said = ''
  const isSaid = async (): Promise<boolean> => {
    said = await server.local
      .call(revokeX509UpstreamAuthority, old, DEADLINE)
      .then(String, messageOf)
    return said.includes('no connected agent needs it')
  }
  await eventually('no agent needs it', isSaid, 60_000)
  const before = stream.received.length
  use(second, second)
  server.child.signal('SIGHUP')
  const last = await stream.next((update) => seen(update).trusted.length === 1, before)
  assert.deepEqual(seen(last), { root: keyId(second), trusted: [keyId(second)] })
  for (const update of stream.received)
    assert(seen(update).trusted.includes(seen(update).root), 'the bundle beside it verifies it')
  await addEntry(server, 'a', '/b')
  await stream.next((update) => update.svids.length === 2)
  assert.equal(stream.ended, undefined, 'no stream is closed for it')
})
