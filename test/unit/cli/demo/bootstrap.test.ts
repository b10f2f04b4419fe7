import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { renderBootstrap } from '../../../../src/cli/demo/bootstrap.ts'

const FOLDER = join(import.meta.dirname, '../../../../envoy')
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))

const SIDECAR = {
  nodeId: 'web',
  agentSocket: '/tmp/x/agent.sock',
  inboundPort: 1001,
  outboundPort: 1002,
  appPort: 1003,
  peerPort: 1004,
}

test('envoy/ has configurations to render', () => assert.ok(FILES.length >= 4))

for (const name of FILES) {
  const template = readFileSync(join(FOLDER, name), 'utf8')

  test(`renderBootstrap() of ${name} puts every address in and leaves none of the file's`, () => {
    const text = renderBootstrap(template, SIDECAR)
    const ports = Array.from(text.matchAll(/"port_value": (\d+)/g), ([, port]) => Number(port))
    assert.deepEqual(
      ports.toSorted((a, b) => a - b),
      [0, 1001, 1002, 1003, 1004],
    )
    assert.match(text, /"path": "\/tmp\/x\/agent\.sock"/)
    assert.doesNotMatch(text, /\/run\/spindle|0\.0\.0\.0/)
  })

  test(`renderBootstrap() of ${name} lets in whom it is told, and no prefix`, () => {
    const admitted = ['spiffe://example.org/a', 'spiffe://example.org/b']
    const config = JSON.parse(renderBootstrap(template, { ...SIDECAR, mayCall: admitted })) as {
      static_resources: { listeners: { name: string }[] }
    }
    const inbound = config.static_resources.listeners.find((each) => each.name === 'inbound')
    const text = JSON.stringify(inbound)
    assert.deepEqual(
      Array.from(text.matchAll(/"matcher":\{"exact":"([^"]+)"\}/g), ([, id]) => id),
      admitted,
    )
    assert.doesNotMatch(text, /"matcher":\{"prefix"/)
  })

  test(`renderBootstrap() of ${name} bounds the requests of a connection to the peer alone`, () => {
    const limits = (text: string): number =>
      Array.from(text.matchAll(/"max_requests_per_connection": 1\b/g)).length
    assert.equal(limits(renderBootstrap(template, SIDECAR)), 0)
    const text = renderBootstrap(template, { ...SIDECAR, requestsPerConnection: 1 })
    assert.equal(limits(text), 1)
    // What the file says of its connections still holds.
    assert.match(text, /"max_connection_duration": "1800s",\s+"max_requests_per_connection": 1/)
  })
}
