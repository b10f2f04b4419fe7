import assert from 'node:assert/strict'
import { linkSync, mkdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { findHostRoot, whyNotOnHost } from '../../../../src/os/process/host-root.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'

test('findHostRoot looks through process 1 where it may, else at the agent’s own root', (t) => {
  const procRoot = temporaryFolder(t)
  assert.equal(findHostRoot(procRoot), '')
  mkdirSync(join(procRoot, '1'))
  symlinkSync('/', join(procRoot, '1/root'))
  assert.equal(findHostRoot(procRoot), `${procRoot}/1/root`)
})

test('whyNotOnHost believes a path only if the host has that very file there', (t) => {
  const root = temporaryFolder(t)
  const file = statSync(writeIn(root, 'bin/envoy', 'envoy'), { bigint: true })
  writeIn(root, 'bin/other', 'envoy')
  linkSync(join(root, 'bin/envoy'), join(root, 'bin/hard'))
  symlinkSync('envoy', join(root, 'bin/soft'))
  assert.equal(whyNotOnHost(root, '/bin/envoy', file), undefined)
  assert.equal(whyNotOnHost(root, '/bin/hard', file), undefined)
  assert.match(whyNotOnHost(root, '/bin/other', file) ?? '', /another file/)
  assert.match(whyNotOnHost(root, '/bin/soft', file) ?? '', /another file/)
  assert.match(whyNotOnHost(root, '/bin/none', file) ?? '', /there is no/)
  assert.match(whyNotOnHost(root, '/bin/envoy/x', file) ?? '', /ENOTDIR/)
  assert.match(whyNotOnHost(root, '(unreachable)/bin/envoy', file) ?? '', /is no path/)
  assert.match(
    whyNotOnHost(root, '/bin/envoy', { dev: file.dev + 1n, ino: file.ino }) ?? '',
    /another/,
  )
})
