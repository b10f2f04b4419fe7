import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { startPair } from './rig/pair.ts'
import { createRig } from './rig/rig.ts'
import { createSdsCaller } from './rig/sds-caller.ts'

const ENTRIES = [{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:0'] }]

/** Asks for other secret names throughout an Envoy's configuration. */
function renameSecrets(config: unknown, names: Readonly<Record<string, string>>): void {
  if (typeof config !== 'object' || config === null) return
  const { name } = config as { name?: unknown }
  if ('sds_config' in config && typeof name === 'string')
    Object.assign(config, { name: names[name] ?? name })
  for (const part of Object.values(config)) renameSecrets(part, names)
}

test('Envoys speak mutual TLS with secrets of configured names, an alias, and one list of CAs for a validator', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: ENTRIES,
    config: {
      sds: {
        names: { svid: 'mine', bundle: 'roots' },
        aliases: {
          'web-cert': 'spiffe://example.org/web',
          'web-roots': 'spiffe://example.org',
          'not-mine': 'spiffe://example.org/other',
        },
        validator: 'trusted-ca',
      },
    },
  })
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const asked = ['mine', 'web-cert', 'roots', 'web-roots', 'default', 'ROOTCA', 'not-mine', 'ALL']
  const { secrets } = await caller.fetch(asked)
  const forms = Object.fromEntries(
    secrets.map(({ name, chain, trustedCa }) => {
      const form = chain !== '' ? 'certificate' : trustedCa !== '' ? 'one list' : 'another form'
      return [name, form]
    }),
  )
  assert.deepEqual(forms, {
    mine: 'certificate',
    'web-cert': 'certificate',
    roots: 'one list',
    'web-roots': 'one list',
  })

  const { server, client } = await startPair(rig, agent, {
    template: 'sidecar-delta',
    change: (config) => renameSecrets(config, { default: 'web-cert', ROOTCA: 'web-roots' }),
  })
  for (const envoy of [server, client])
    for (const name of ['web-cert', 'web-roots']) {
      assert.equal(await envoy.stat(`sds.${name}.update_rejected`), 0)
      assert.equal(await envoy.stat(`sds.${name}.update_success`), 1)
    }
  assert.equal(await server.stat('listener.127.0.0.1_0.ssl.fail_verify_error'), 0)
})

test('with unauthorized: close a stream that asks for what is not granted ends, and one beside it goes on', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: ENTRIES,
    config: { sds: { unauthorized: 'close' } },
  })
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const good = caller.delta()
  good.say({ resourceNamesSubscribe: ['default'] })
  await good.next()
  for (const stream of [caller.delta(), caller.sotw()]) {
    stream.say({ resourceNamesSubscribe: ['nothing'], resourceNames: ['nothing'] })
    const end = await stream.end()
    assert.equal(end.code, status.INVALID_ARGUMENT)
    assert.match(end.details, /not authorized for the requested identities/)
  }
  await assert.rejects(caller.fetch(['nothing']), { code: status.INVALID_ARGUMENT })
  agent.setEntries([])
  assert.equal((await good.end()).code, status.INVALID_ARGUMENT, 'its entry has gone')
})
