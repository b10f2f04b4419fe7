import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { run } from '../../../src/cli/program.ts'

const FOLDER = join(import.meta.dirname, '../../../envoy')
const BASE = ['--service', 'web', '--inbound', '8443', '--app', '8080']
const OUTBOUND = ['--outbound', '9001', '--peer', '10.0.0.7:8443']
const DOMAIN = ['--trust-domain', 'example.org']

interface Printed {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function config(...args: readonly string[]): Promise<Printed> {
  let out = ''
  let err = ''
  const code = await run(['envoy', 'config', ...args], {
    out: (text) => (out += text),
    err: (text) => (err += text),
    env: {},
    onSignal: () => () => undefined,
  })
  return { code, out, err }
}

async function printed(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await config(...args)
  assert.equal(code, 0, err)
  return out
}

/** The command in the head of a configuration, as words. */
function ownCommand(text: string): readonly string[] {
  const line = /^# Printed by: spindle envoy config (.*)$/m.exec(text)?.[1]
  assert(line !== undefined, 'it does not say how it was printed')
  return line.split(' ')
}

const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))

test('envoy/ has configurations that spindle envoy config prints', () => assert(FILES.length >= 4))

for (const name of FILES)
  test(`envoy/${name} is what the command in its head prints`, async () => {
    const text = readFileSync(join(FOLDER, name), 'utf8')
    assert.equal(await printed(...ownCommand(text)), text)
  })

test('spindle envoy config names in its head the command that prints the same again', async () => {
  const all =
    '--service a.b --node-id n/1 --inbound 0 --app 1 --outbound 9001 --peer 10.0.0.7:8443 ' +
    '--trust-domain example.org --federated partner.test --allow spiffe://partner.test/a ' +
    '--allow-peer spiffe://example.org/b --on-demand --socket /x --admin-port 0'
  const text = await printed(...all.split(' '))
  assert.equal(ownCommand(text).join(' '), all)
  assert.equal(await printed(...ownCommand(text)), text)
})

interface Matcher {
  readonly san_type: string
  readonly matcher: { readonly exact?: string; readonly prefix?: string }
}

/** Matchers of each validation context, inbound first. */
function matchers(text: string): readonly string[][] {
  const found: string[][] = []
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, child] of Object.entries(value)) {
      if (key === 'match_typed_subject_alt_names')
        found.push(
          (child as Matcher[]).map(({ san_type, matcher }) => {
            assert.equal(san_type, 'URI')
            return JSON.stringify(matcher)
          }),
        )
      else walk(child)
    }
  }
  walk(parse(text))
  return found
}

test('spindle envoy config lets in exactly those named, else the trust domains named', async () => {
  const ids = ['spiffe://example.org/a', 'spiffe://example.org/b']
  const exact = (id: string): string => JSON.stringify({ exact: id })
  const whole = (name: string): string => JSON.stringify({ prefix: `spiffe://${name}/` })
  assert.deepEqual(matchers(await printed(...BASE, '--allow', ...ids)), [ids.map(exact)])
  assert.deepEqual(matchers(await printed(...BASE, ...OUTBOUND, ...DOMAIN, '--allow', ...ids)), [
    ids.map(exact),
    [whole('example.org')],
  ])
  const peer = await printed(...BASE, ...OUTBOUND, ...DOMAIN, '--allow-peer', ids[0]!)
  assert.deepEqual(matchers(peer), [[whole('example.org')], [exact(ids[0]!)]])
  const federated = await printed(...BASE, ...DOMAIN, '--federated', 'partner.test')
  assert.deepEqual(matchers(federated), [[whole('example.org'), whole('partner.test')]])
  assert.match(federated, /name: ALL,/)
  assert.doesNotMatch(federated, /name: ROOTCA/)
  assert.match(await printed(...BASE, ...DOMAIN, '--federated'), /name: ALL,/)
})

test('spindle envoy config has no way out for a service that calls nobody', async () => {
  const text = await printed(...BASE, ...DOMAIN)
  const { static_resources: resources } = parse(text) as {
    static_resources: { listeners: { name: string }[]; clusters: { name: string }[] }
  }
  assert.deepEqual(
    resources.listeners.map(({ name }) => name),
    ['inbound'],
  )
  assert.deepEqual(
    resources.clusters.map(({ name }) => name),
    ['app', 'spindle_agent'],
  )
})

test('spindle envoy config looks up a peer that has a name, and quotes what YAML would read otherwise', async () => {
  const type = async (peer: string): Promise<unknown> => {
    const text = await printed(...BASE, '--outbound', '1', '--peer', peer, ...DOMAIN)
    const { static_resources: resources } = parse(text) as {
      static_resources: { clusters: { name: string; type: string; load_assignment: unknown }[] }
    }
    const found = resources.clusters.find(({ name }) => name === 'peer')
    const address = /"address":"([^"]*)","port_value":(\d+)/.exec(JSON.stringify(found))
    return [found?.type, address?.[1], address?.[2]]
  }
  assert.deepEqual(await type('10.0.0.7:8443'), ['STATIC', '10.0.0.7', '8443'])
  assert.deepEqual(await type('[::1]:8443'), ['STATIC', '::1', '8443'])
  assert.deepEqual(await type('web.internal:443'), ['STRICT_DNS', 'web.internal', '443'])
  const odd = await printed(...BASE, ...DOMAIN, '--node-id', '1e3', '--socket', "/a b/it's: #x")
  const { node } = parse(odd) as { node: unknown }
  assert.deepEqual(node, { id: '1e3', cluster: 'web' })
  assert(JSON.stringify(parse(odd)).includes(`"path":"/a b/it's: #x"`))
  for (const word of ['true', 'null', 'no', '0x1f', '1.5', '-'])
    assert.deepEqual(
      (
        parse(await printed('--service', word, '--inbound', '1', '--app', '1', ...DOMAIN)) as {
          node: unknown
        }
      ).node,
      { id: word, cluster: word },
    )
})

/** Arguments that make no sense, and the option that the answer must name. */
const FAULTS: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [[...BASE], /--trust-domain: needed/],
  [[...BASE, ...OUTBOUND, '--allow', 'spiffe://example.org/a'], /--trust-domain: .* --allow-peer/],
  [['--service', 'a b', ...BASE.slice(2), ...DOMAIN], /--service: /],
  [[...BASE, '--node-id', 'a b', ...DOMAIN], /--node-id: /],
  [[...BASE, ...DOMAIN, '--outbound', '1'], /--outbound and --peer/],
  [[...BASE, ...DOMAIN, '--peer', 'a:1'], /--outbound and --peer/],
  [[...BASE, ...DOMAIN, '--allow-peer', 'spiffe://example.org/a'], /--allow-peer: needs/],
  [[...BASE, ...DOMAIN, '--on-demand', '--variant', 'sotw'], /--on-demand: needs --variant delta/],
  [[...BASE, '--trust-domain', 'Example.org'], /--trust-domain: .*lower case/],
  [[...BASE, ...DOMAIN, '--federated', 'a b'], /--federated: /],
  [[...BASE, '--allow', 'spiffe://example.org'], /--allow .*: has no path/],
  [[...BASE, '--allow', 'web'], /--allow: /],
  [[...BASE, ...DOMAIN, '--allow', 'spiffe://partner.test/a'], /--allow .*add --federated/],
  [
    [...BASE, '--allow', 'spiffe://a.test/a', 'spiffe://b.test/a'],
    /spiffe:\/\/b\.test\/a: .*add --federated/,
  ],
  [
    [...BASE, ...DOMAIN, '--federated', 'b.test', '--allow', 'spiffe://c.test/a'],
    /spiffe:\/\/c\.test\/a: is of none of the trust domains named/,
  ],
  [[...BASE, ...DOMAIN, '--socket', 'run/agent.sock'], /--socket: must be an absolute path/],
  [[...BASE, ...DOMAIN, '--admin-port', '70000'], /port, from 0 to 65535/],
  [['--service', 'a', '--inbound', '1', '--app', '0', ...DOMAIN], /port, from 1 to 65535/],
  ...['a', 'a:0', 'a:99999', ':1', '::1:1', 'a b:1', '[a]:1'].map(
    (peer) =>
      [
        [...BASE, ...DOMAIN, '--outbound', '1', '--peer', peer],
        /--peer .*must be host:port/,
      ] as const,
  ),
]

test('spindle envoy config refuses what makes no sense, naming the option, with exit code 2', async () => {
  for (const [args, says] of FAULTS) {
    const { code, out, err } = await config(...args)
    assert.equal(code, 2, args.join(' '))
    assert.equal(out, '')
    assert.match(err, says)
  }
})
