/** Agents that join a server by a certificate of the operator's, and by what answers at their host name; evicted, banned, and back again. */
import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { toPem } from '../../src/certs/parse.ts'
import { Agent as AgentService } from '../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import { Bundle } from '../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { makeCa, makeCertificate, USAGE } from '../unit/certs/make-certificate.ts'
import type { Made } from '../unit/certs/make-certificate.ts'
import { createRig, eventually, write } from './rig/rig.ts'

const { listAgents, deleteAgent, banAgent } = AgentService.method
const DEADLINE = { deadlineMs: 20_000 }
const LIFE = { notBefore: Date.now() - 3_600_000, notAfter: Date.now() + 3_600_000 }
const pemOf = ({ der }: Made): string => toPem(der, 'CERTIFICATE')

test('nodes join by certificate and by host name, and are put out', async (t) => {
  const rig = createRig(t)
  const path = (name: string): string => join(rig.folder, name)
  const [root, other] = [await makeCa({ ...LIFE, name: 'CN=nodes' }), await makeCa(LIFE)]
  const leaf = await makeCertificate({
    ...LIFE,
    name: 'CN=node-1',
    by: root,
    usage: USAGE.digitalSignature,
  })
  write(path('cas.pem'), pemOf(root))
  write(path('node.pem'), pemOf(leaf))
  write(path('node.key'), toPem(leaf.key.pkcs8, 'PRIVATE KEY'))
  const server = await rig.server({
    config: {
      nodeAttestors: {
        x509pop: {
          caBundleFile: path('cas.pem'),
          agentPathTemplate: '/{{ .PluginName }}/{{ .Subject.CommonName }}',
        },
        httpChallenge: {},
      },
      rateLimit: { attestation: false },
    },
  })
  const trustBundleFile = path('bundle.pem')
  const bundle = await server.local.call(Bundle.method.getBundle, {}, DEADLINE)
  const anchors = bundle.x509Authorities.map(({ asn1 }) => toPem(asn1, 'CERTIFICATE'))
  write(trustBundleFile, anchors.join(''))
  const joins = (attest: object) => ({
    config: {
      authority: { kind: 'server', address: server.address, trustBundleFile, attest },
      entries: undefined,
    },
  })
  const agents = async () => {
    const all = (await server.local.call(listAgents, {}, DEADLINE)).agents
    return new Map(all.map((agent) => [agent.id?.path ?? '', agent]))
  }
  const log = (): string => server.child.output()

  await rig.agent(joins({ kind: 'x509pop', certFile: path('node.pem'), keyFile: path('node.key') }))
  const byName = '/spire/agent/x509pop/node-1'
  await eventually('the node with a certificate has joined', async () =>
    (await agents()).has(byName),
  )
  const first = (await agents()).get(byName)
  assert.equal(first?.canReattest, true)
  assert.ok(
    first.selectors.some(({ type, value }) => type === 'x509pop' && value === 'subject:cn:node-1'),
  )

  await rig.agent(joins({ kind: 'http-challenge' }))
  const byHost = `/spire/agent/http_challenge/${hostname()}`
  await eventually('the node has answered at its name', async () => (await agents()).has(byHost))
  assert.equal((await agents()).get(byHost)?.canReattest, false)

  await t.test(
    'one that is evicted comes back by itself, where it can prove itself again',
    async () => {
      const id = { trustDomain: 'example.org', path: byName }
      await server.local.call(deleteAgent, { id }, DEADLINE)
      await eventually('it is back', async () => {
        const serial = (await agents()).get(byName)?.x509svidSerialNumber
        return serial !== undefined && serial !== first.x509svidSerialNumber
      })
    },
  )

  await t.test(
    'the CAs are followed: once theirs is gone, its nodes do not come back',
    async () => {
      write(path('new.pem'), pemOf(other))
      renameSync(path('new.pem'), path('cas.pem'))
      await eventually('the server has read it', () => log().includes('CAs of nodes read again'))
      await server.local.call(
        deleteAgent,
        { id: { trustDomain: 'example.org', path: byName } },
        DEADLINE,
      )
      await eventually('it is refused', () => log().includes('no known CA issued it'))
      assert.equal((await agents()).has(byName), false)
    },
  )

  await t.test('one that is banned is told so, and stays out', async () => {
    await server.local.call(
      banAgent,
      { id: { trustDomain: 'example.org', path: byHost } },
      DEADLINE,
    )
    assert.equal((await agents()).get(byHost)?.banned, true)
    await eventually(
      'it hears of it',
      () => log().includes('reason: banned') || log().includes('reason=banned'),
    )
    assert.equal((await agents()).get(byHost)?.banned, true)
  })
})
