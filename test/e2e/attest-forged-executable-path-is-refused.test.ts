import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, readlinkSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  PYTHON,
  STAY,
  connectionIn,
  createAttestHost,
  programOf,
  skip,
  startCaller,
} from './attest-host.ts'

const TRUSTED = programOf('/usr/bin/env')
const paths = (selectors: ReadonlySet<string>): string[] =>
  [...selectors].filter((selector) => selector.startsWith('unix:path:'))

test('a program mounted over a trusted path in a user namespace does not get that path', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  const namespace = ['unshare', '--user', '--map-root-user', '--mount']
  const trial = spawnSync('setpriv', ['--reuid=61001', '--clear-groups', ...namespace, 'true'])
  if (trial.status !== 0) return skip(t, 'unprivileged user namespaces are forbidden here')
  host.accept()
  const forged = join(host.folder, 'forged')
  copyFileSync(PYTHON, forged)
  chmodSync(forged, 0o755)
  const script = 'mount --bind "$0" "$1" && exec "$1" -c "$2" "$3"'
  const { pid } = startCaller(t, { uid: 61_001, through: namespace }, [
    '/bin/sh',
    '-c',
    script,
    forged,
    TRUSTED,
    STAY,
    host.socket,
  ])
  const connection = connectionIn(await host.next())
  assert.equal(readlinkSync(`/proc/${pid}/exe`), TRUSTED, 'the attack itself works')
  const attestation = await host.attestor.attest(connection, new Set(['unix:path', 'unix:sha256']))
  assert.deepEqual(paths(attestation.selectors), [])
  assert(!attestation.unknownKinds.has('unix:path'))
  assert.match(attestation.notes.join('\n'), /unix:path: .* is another file than the one that runs/)
  assert(attestation.selectors.has('unix:uid:61001' as never))
})

test('a program whose file was deleted or replaced since it was started has no path', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  const program = join(host.folder, 'program')
  const install = (): void => {
    copyFileSync(PYTHON, `${program}.new`)
    chmodSync(`${program}.new`, 0o755)
    renameSync(`${program}.new`, program)
  }
  install()
  startCaller(t, { uid: 61_001 }, [program, '-c', STAY, host.socket])
  const connection = connectionIn(await host.next())
  const before = await host.attestor.attest(connection, new Set())
  assert.deepEqual(paths(before.selectors), [`unix:path:${program}`])
  install()
  assert.equal(host.attestor.unchanged(connection, before), false)
  const after = await host.attestor.attest(connection, new Set())
  assert.deepEqual(paths(after.selectors), [])
  assert.match(after.notes.join('\n'), /unix:path: the executable was deleted or replaced/)
})
