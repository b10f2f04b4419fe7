import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { findEnvoy } from '../../../../src/cli/demo/scene/find-envoy.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'

function programIn(folder: string, name: string): string {
  const path = writeIn(folder, name, '#!/bin/sh\n')
  chmodSync(path, 0o755)
  return path
}

/** A checkout whose setup noted an Envoy, and a PATH with another. */
function places(t: TestContext): { root: string; noted: string; onPath: string; PATH: string } {
  const root = temporaryFolder(t)
  const noted = programIn(root, 'cache/envoy')
  writeIn(root, '.cache/envoy', `${noted}\n`)
  const onPath = programIn(root, 'path/envoy')
  return { root, noted, onPath, PATH: `relative:${join(root, 'none')}:${join(root, 'path')}` }
}

test('findEnvoy() takes ENVOY_BIN, else the one setup noted, else the one on PATH', (t) => {
  const { root, noted, onPath, PATH } = places(t)
  const named = programIn(root, 'named')
  assert.equal(findEnvoy(root, { ENVOY_BIN: named, PATH }), named)
  assert.equal(findEnvoy(root, { ENVOY_BIN: '', PATH }), noted)
  chmodSync(noted, 0o644)
  assert.equal(findEnvoy(root, { PATH }), onPath)
})

test('findEnvoy() takes no other one than ENVOY_BIN where it is set', (t) => {
  const { root, PATH } = places(t)
  const folder = join(root, 'path')
  assert.throws(() => findEnvoy(root, { ENVOY_BIN: folder, PATH }), {
    exitCode: 3,
    message: /^ENVOY_BIN=.* is not a program\.\nRun `npm run demo`.* or set ENVOY_BIN/,
  })
})

test('findEnvoy() says what to do where there is none', (t) => {
  assert.throws(() => findEnvoy(temporaryFolder(t), { PATH: '/nowhere' }), {
    exitCode: 3,
    message: /^The demo needs the real Envoy.*\nRun `npm run demo`.* or set ENVOY_BIN/,
  })
})
