// S05 of docs/faults.md.
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from './rig/agent.ts'
import { cli } from './rig/command.ts'
import { found, keyForms } from './rig/key-forms.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig } from './rig/rig.ts'
import type { CallerStream, DeltaAsk, Received } from './rig/sds-caller.ts'
import { createSdsCaller } from './rig/sds-caller.ts'

const IDENTITIES = ['one', 'two', 'three'].map((name) => `spiffe://example.org/${name}`)
const ROTATIONS = 3

/** Every key the agent's authorities have made, from their state. */
function authorityKeys(agent: Agent): string[] {
  return ['authority-embedded.json', 'authority-jwt.json'].flatMap((file) => {
    const text = readFileSync(join(agent.folder, 'state', file), 'utf8')
    const { slots } = JSON.parse(text) as { slots: { key?: string }[] }
    return slots.flatMap(({ key }) => key ?? [])
  })
}

const commandsOf = (agent: Agent, folder: string): readonly (readonly string[])[] => {
  const admin = ['--admin-socket', agent.adminSocket]
  const asCaller = ['--socket', agent.socket]
  return [
    ['status', ...admin],
    ['reload', ...admin],
    ['sds', 'list', ...admin],
    ['sds', 'explain', '--pid', String(process.pid), '--name', 'default', ...admin],
    ['sds', 'fetch', ...asCaller],
    ['sds', 'fetch', 'default', '--write', folder, ...asCaller],
    ['sds', 'fetch', 'nothing-of-that-name', ...asCaller],
    ['ca', 'show', ...admin],
    ['bundle', 'show', ...admin],
    ['svid', 'renew', ...admin],
    ['doctor', '--config', join(agent.folder, 'agent.yaml')],
  ]
}

/** What the timeline tells whoever begins to listen, up to `wanted`. */
async function timelineUntil(agent: Agent, wanted: string): Promise<string> {
  const { body } = await fetch(`${agent.http}/api/events`, { signal: AbortSignal.timeout(10_000) })
  let told = ''
  for await (const part of body!.pipeThrough(new TextDecoderStream())) {
    told += part
    if (told.includes(wanted)) break
  }
  return told
}

for (const keyType of ['ec-p256', 'rsa-2048'] as const)
  test(`no private key (${keyType}) is in the log at its most talkative, in any answer of the CLI or over HTTP, or in errors`, async (t) => {
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: IDENTITIES.map((spiffeId) => ({ spiffeId, selectors: testSelectors() })),
      config: {
        log: { level: 'trace', format: 'json' },
        svid: { keyType },
        authority: { kind: 'embedded', jwtKeyType: keyType },
      },
    })
    const keys = new Set(authorityKeys(agent))
    const keep = ({ secrets }: Received): void => {
      for (const { key } of secrets) if (key !== '') keys.add(key)
    }
    const caller = createSdsCaller(agent.socket)
    rig.atEnd(() => caller.close())
    const streams = IDENTITIES.map((spiffeId): CallerStream<DeltaAsk> => {
      const stream = caller.delta()
      stream.acknowledge()
      stream.say({ resourceNamesSubscribe: [spiffeId] })
      return stream
    })
    for (const stream of streams) keep(await stream.next())
    for (let rotation = 0; rotation < ROTATIONS; rotation++) {
      await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 30_000 })
      for (const stream of streams) keep(await stream.next(30_000))
    }
    for (const request of [{}, { jwt: true, now: true }, { jwt: true }])
      await agent.admin.call(AdminService.method.rotateAuthority, request, { deadlineMs: 60_000 })
    for (const key of authorityKeys(agent)) keys.add(key)
    for (const stream of streams) keep(await stream.next(30_000))

    // What Envoy does where a secret breaks a constraint: it sends the whole of it back.
    const rejecting = caller.sotw()
    rejecting.say({ resourceNames: ['default'] })
    const rejected = await rejecting.next()
    keep(rejected)
    const pem = rejected.secrets[0]?.key ?? ''
    const message = `Proto constraint validation failed (SecretValidationError): inline_bytes: "${pem}"`
    rejecting.say({
      resourceNames: ['default', pem.slice(0, 2000)],
      responseNonce: rejected.nonce,
      errorDetail: { code: 13, message },
    })
    // A request that is refused for a name that is a key.
    const refused = caller.delta()
    refused.say({ resourceNamesSubscribe: [pem.repeat(20)] })
    await refused.end()

    const outputs: [where: string, text: string][] = []
    const written = join(rig.folder, 'written')
    mkdirSync(written)
    for (const args of commandsOf(agent, written))
      for (const format of ['table', 'json', 'yaml']) {
        const { out, err } = await cli(...args, '-o', format)
        assert.notEqual(out + err, '')
        outputs.push([`spindle ${args.slice(0, 2).join(' ')} -o ${format}`, out + err])
      }
    for (const file of readdirSync(written).filter((name) => name.endsWith('.key')))
      keys.add(readFileSync(join(written, file), 'utf8'))
    for (const stream of streams)
      for (let more = 0; more < 3; more++) keep(await stream.next(30_000))
    for (const path of ['/metrics', '/live', '/ready', '/nothing', '/', '/api/state'])
      outputs.push([path, await (await fetch(agent.http + path)).text()])
    outputs.push(['/api/events', await timelineUntil(agent, '"kind":"rejected"')])

    // Keys where they do not belong: a fault names the place and repeats nothing of it.
    const misplaced = join(agent.folder, 'entries.yaml')
    writeFileSync(misplaced, `entries:\n  - spiffeId: |\n${pem.replace(/^/gm, '      ')}\n`)
    const validated = await cli('validate', '-c', join(agent.folder, 'agent.yaml'))
    assert.equal(validated.code, 2)
    outputs.push(['spindle validate', validated.err])
    const examined = await cli('doctor', '-c', join(agent.folder, 'agent.yaml'))
    assert.equal(examined.code, 1)
    outputs.push(['spindle doctor', examined.out])
    await agent.admin.call(AdminService.method.reload, {}, { deadlineMs: 10_000 })
    outputs.push([
      'status with a fault',
      (await cli('status', '--admin-socket', agent.adminSocket)).out,
    ])
    outputs.push(['/api/events with a fault', await timelineUntil(agent, 'not used')])
    await agent.stop()
    const log = agent.child.output()
    assert.match(log, /"level":"trace"/)
    assert.match(log, /secret rejected; it is not sent again/)
    assert.match(log, /file not used/)
    outputs.push(['log', log])

    // One authority and its successor, a key for JWT-SVIDs and two after it; each identity first, at each rotation, at that of the authority, at three renewals.
    assert.equal(keys.size, 2 + 3 + IDENTITIES.length * (1 + ROTATIONS + 1 + 3))
    const forms = Array.from(keys).flatMap(keyForms)
    for (const [where, output] of outputs) {
      const [form] = found(forms, output)
      if (form === undefined) continue
      const at = Math.max(0, output.indexOf(form))
      assert.fail(`${where} holds a private key: … ${output.slice(Math.max(0, at - 200), at)}`)
    }
  })

test('the search finds a key in every form it could be written in', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent()
  const [pem = ''] = authorityKeys(agent)
  const forms = keyForms(pem)
  const key = createPrivateKey(pem)
  const der = key.export({ type: 'pkcs8', format: 'der' })
  const secret = Buffer.from(`before ${pem} after`)
  const planted = {
    pem,
    escaped: JSON.stringify({ pem }),
    base64: der.toString('base64'),
    hex: der.toString('hex'),
    indented: pem.replace(/^/gm, '  '),
    inspected: inspect(der),
    json: JSON.stringify(der),
    jwk: JSON.stringify(key.export({ format: 'jwk' })),
    sec1: key.export({ type: 'sec1', format: 'pem' }).toString(),
    shifted: Buffer.concat([Buffer.from('x'), der]).toString('base64url'),
    raw: der.toString('latin1'),
    // As bytes of a message are written in JSON.
    twice: secret.toString('base64'),
    secretInHex: secret.toString('hex'),
    secretInspected: inspect(secret.subarray(80)),
  }
  for (const [form, text] of Object.entries(planted))
    assert.notEqual(found(forms, `before ${text} after`).length, 0, form)
  assert.deepEqual(found(forms, JSON.stringify(key.asymmetricKeyDetails)), [])
})
