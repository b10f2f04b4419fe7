import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { atScale } from '../faults/scale.ts'
import { createAttestHost, programOf, skip } from './attest-host.ts'
import type { RoundResult } from './attest-pid-reuse-rounds.ts'

/** Twice as many races: before and after accept. */
const ROUNDS = atScale(20, 5_000)

test('S01: a process that got a dead caller’s pid is not taken for the caller, before and after accept', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  if (!existsSync('/proc/sys/kernel/ns_last_pid')) {
    return skip(t, 'the kernel cannot hand out a chosen pid (CONFIG_CHECKPOINT_RESTORE)')
  }
  const { stdout } = await promisify(execFile)(
    'unshare',
    [
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      // The shell is process 1 of the namespace and reaps the orphans there; Node would not.
      'sh',
      '-c',
      '"$@" & wait $!',
      'sh',
      process.execPath,
      join(import.meta.dirname, 'attest-pid-reuse-rounds.ts'),
      host.folder,
      String(ROUNDS),
    ],
    { timeout: atScale(30_000, 3_600_000), killSignal: 'SIGKILL', maxBuffer: 2 ** 24 },
  )
  const { afterAccept, beforeAccept } = JSON.parse(stdout) as Record<string, RoundResult[]>
  const refused = (outcome: string): RoundResult[] =>
    Array.from({ length: ROUNDS }, () => ({
      reused: true,
      naive: programOf('/bin/sleep'),
      outcome,
    }))
  assert.deepEqual(afterAccept, refused('peer_gone'))
  assert.deepEqual(beforeAccept, refused('peer_ended'))
})
