import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { run } from '../../../src/cli/program.ts'
import { loadConfig } from '../../../src/cli/validate.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { createOperatorCa } from '../../fakes/operator-ca.ts'
import { temporaryFolder, writeIn } from '../../fakes/folder.ts'

const ENTRIES = { entries: [{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1'] }] }
const CONFIG = {
  trustDomain: 'example.org',
  entries: { file: 'entries.yaml' },
  bundles: { 'partner.test': { file: 'partner.json' } },
}

/** The path of a configuration, in a folder with the files it names. */
function written(t: TestContext, files: Readonly<Record<string, unknown>>): string {
  const folder = temporaryFolder(t)
  const all = { 'entries.yaml': ENTRIES, 'partner.json': { keys: [] }, ...files }
  // JSON is YAML, too.
  for (const [name, content] of Object.entries(all)) writeIn(folder, name, JSON.stringify(content))
  return writeIn(
    folder,
    'agent.yaml',
    JSON.stringify({ ...CONFIG, ...(files['agent.yaml'] as object | undefined) }),
  )
}

async function faultsOf(file: string): Promise<string> {
  try {
    await loadConfig(file)
  } catch (thrown) {
    assert(thrown instanceof SpindleError && thrown.code === 'config_invalid')
    return thrown.message
  }
  return assert.fail('there is no fault')
}

test('loadConfig() reads a configuration and all it names, and tells what is odd about each', async (t) => {
  const federated = [{ ...ENTRIES.entries[0], federatesWith: ['other.test'] }]
  const file = written(t, {
    'agent.yaml': { svid: { ttl: '20s' }, authority: { kind: 'embedded', caTtl: '1h' } },
    'entries.yaml': { entries: federated },
    'partner.json': { keys: [{ kty: 'EC' }] },
  })
  const { config, warnings } = await loadConfig(file)
  assert.equal(config.trustDomain, 'example.org')
  for (const [name, what] of [
    ['agent.yaml', 'svid.ttl'],
    ['entries.yaml', 'other.test'],
    ['partner.json', 'has no use'],
  ] as const)
    assert(
      warnings.some((line) => line.includes(name) && line.includes(what)),
      `${name}: ${warnings.join('\n')}`,
    )
})

test('loadConfig() tells the faults of the configuration and of every file it names at once', async (t) => {
  const file = written(t, {
    'agent.yaml': {
      svid: { ttl: '1s' },
      authority: { kind: 'disk', certFile: 'ca.pem', keyFile: 'ca.key' },
      bundles: {
        'partner.test': { file: 'partner.json' },
        'other.test': { file: 'missing.pem' },
        'Not A Domain': { file: 'partner.json' },
      },
    },
    'entries.yaml': { entries: [{ spiffeId: 'spiffe://other/web', selectors: ['unix'] }] },
    'partner.json': { keys: 7 },
  })
  const message = await faultsOf(file)
  for (const [place, fault] of [
    ['agent.yaml', 'svid.ttl: is "1s"'],
    ['agent.yaml', 'Not A Domain'],
    ['entries.yaml', 'entries[0].spiffeId'],
    ['entries.yaml', 'entries[0].selectors[0]'],
    ['partner.test', 'keys must be present'],
    ['missing.pem', 'cannot be read'],
  ] as const)
    assert(message.includes(place) && message.includes(fault), `${fault}: ${message}`)
  const once = message.split('\n').filter((line) => line.includes('Not A Domain'))
  assert.equal(once.length, 1, 'each fault once')
})

test('loadConfig() tells an attached CA that cannot be used beside the faults of the entries', async (t) => {
  const file = written(t, {
    'agent.yaml': { authority: { kind: 'disk', certFile: 'ca.pem', keyFile: 'ca.key' } },
    'entries.yaml': { entries: 'none' },
  })
  const message = await faultsOf(file)
  assert.match(message, /entries\.yaml/)
  assert.match(message, /ca\.(pem|key)/)
})

test('loadConfig() looks for no files of an attached CA whose keys do not belong together', async (t) => {
  const file = written(t, { 'agent.yaml': { authority: { kind: 'disk', certFile: 'ca.pem' } } })
  const message = await faultsOf(file)
  assert.match(message, /agent\.yaml: \d fault/)
  assert.doesNotMatch(message, /cannot be read|is not a file|EISDIR/)
})

test('loadConfig() says of the configuration of a server that it is one, and nothing else', async (t) => {
  const file = writeIn(
    temporaryFolder(t),
    'server.yaml',
    'trustDomain: example.org\nlisten: 0.0.0.0:8081\nnodeAttestors: { joinToken: {} }\n',
  )
  assert.match(await faultsOf(file), /server\.yaml is a server's configuration[^\n]*$/)
})

test('loadConfig() of a text that is no YAML says that alone', async (t) => {
  const file = writeIn(temporaryFolder(t), 'agent.yaml', 'a: [')
  assert.match(await faultsOf(file), /agent\.yaml: 1 fault/)
})

test('validate knows a configuration of a server by its keys, and takes it for one where it is told', async (t) => {
  const folder = temporaryFolder(t)
  const said = async (...args: string[]) => {
    let all = ''
    const tell = (text: string): void => void (all += text)
    const io = { out: tell, err: tell, env: {}, onSignal: () => () => undefined }
    const code = await run(['validate', ...args], io)
    return [code, all] as const
  }
  const server = writeIn(
    folder,
    'server.yaml',
    'trustDomain: example.org\nnodeAttestors: { joinToken: {} }\n',
  )
  assert.deepEqual(await said('-config', server), [0, `${server} is valid\n`])
  const neither = writeIn(folder, 'some.yaml', 'trustDomain: example.org\n')
  assert.match((await said('-c', neither))[1], /entries: is missing/)
  assert.deepEqual(await said('-c', neither, '--server'), [0, `${neither} is valid\n`])
  const pop = 'nodeAttestors: { x509pop: { caBundleFiles: [nodes.pem, none.pem, key.pem] } }'
  const attesting = writeIn(folder, 'attesting.yaml', `trustDomain: example.org\n${pop}\n`)
  const life = { notBefore: Date.UTC(2025, 0, 1), notAfter: Date.UTC(2045, 0, 1) }
  const nodes = await createOperatorCa({ name: 'nodes', ...life })
  writeIn(folder, 'nodes.pem', nodes.certPem)
  writeIn(folder, 'key.pem', nodes.keyPem)
  const [refused, faults] = await said('-c', attesting)
  assert.equal(refused, 2)
  assert.match(faults, /none\.pem cannot be read.*\n.*key\.pem: block 1 is a PRIVATE KEY/)
  const wrong = writeIn(folder, 'wrong.yaml', 'trustDomain: example.org\nlisten: here\n')
  const [code, text] = await said('-c', wrong)
  assert.equal(code, 2)
  assert.match(text, /wrong\.yaml: 1 fault\n {2}listen: /)
})

test("a configuration of SPIRE's is told as that, by validate, server and agent", async (t) => {
  const text = '# ours\n\nserver {\n  trust_domain = "example.org"\n}\n\nplugins {\n}\n'
  const file = writeIn(temporaryFolder(t), 'server.conf', text)
  for (const command of ['validate', 'server', 'agent']) {
    let said = ''
    const tell = (more: string): void => void (said += more)
    const io = { out: tell, err: tell, env: {}, onSignal: () => () => undefined }
    assert.equal(await run([command, '-config', file], io), 2)
    assert.match(said, /server\.conf is a configuration of SPIRE, .*moving-from-spire\.md/, command)
  }
})
