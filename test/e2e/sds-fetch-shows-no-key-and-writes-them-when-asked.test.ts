import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { spindle } from './rig/command.ts'
import { createRig } from './rig/rig.ts'

test('sds fetch shows certificates and no key; --write gives files, the keys for their owner alone', async (t) => {
  const rig = createRig(t)
  const selectors = [`unix:uid:${process.getuid?.()}`]
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors }],
  })
  const folder = join(rig.folder, 'written')
  mkdirSync(folder)
  const fetch = (...args: string[]) => spindle(['sds', 'fetch', '--socket', agent.socket, ...args])
  const results = [await fetch('-o', 'json'), await fetch('default', '--write', folder)]
  for (const { code, out, err } of results) {
    assert.equal(code, 0, err)
    assert.match(out, /spiffe:\/\/example\.org\/web/)
    assert.doesNotMatch(out + err, /PRIVATE KEY/)
  }

  assert.deepEqual(readdirSync(folder).toSorted(), ['default.key', 'default.pem'])
  assert.equal(statSync(join(folder, 'default.key')).mode & 0o777, 0o600)
  const leaf = new X509Certificate(readFileSync(join(folder, 'default.pem')))
  assert(leaf.checkPrivateKey(createPrivateKey(readFileSync(join(folder, 'default.key')))))

  const part = await fetch('default', 'nothing', 'neither')
  assert.equal(part.code, 1, 'a script must not go on with a part of what it asked for')
  assert.match(part.out, /^default +svid/m)
  assert.equal(part.err, 'spindle: not given: nothing, neither\n')

  const missing = await fetch('--write', join(folder, 'missing'))
  assert.equal(missing.code, 2)
  assert.match(missing.err, /--write .*missing: cannot be written to \(ENOENT\)/)
})
