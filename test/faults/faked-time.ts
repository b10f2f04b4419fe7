/** An agent whose wall clock is the test's to set: as a resume from sleep does, time and timers know nothing of it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Rig } from '../e2e/rig/rig.ts'

export interface FakedTime {
  /** For the agent. */
  readonly env: Readonly<Record<string, string>>
  /** The wall clock is this far from the real one from now on. */
  set(offsetMs: number): void
}

const LIBRARIES = ['x86_64', 'aarch64'].map(
  (machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`,
)

/** @returns undefined where the test has been skipped: there is no libfaketime */
export function fakedTime(t: TestContext, rig: Rig, name: string): FakedTime | undefined {
  const library = LIBRARIES.find((path) => existsSync(path))
  if (library === undefined || !works(library)) {
    assert.notEqual(process.env['CI'], 'true', 'CI has libfaketime')
    t.skip('needs libfaketime (package faketime) that this Node runs with')
    return undefined
  }
  const file = join(rig.folder, name)
  const set = (offsetMs: number): void => {
    const seconds = offsetMs / 1_000
    // As a whole: it is read at every look at the clock.
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}`)
    renameSync(`${file}.new`, file)
  }
  set(0)
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set,
  }
}

function works(library: string): boolean {
  const env = { ...process.env, LD_PRELOAD: library, FAKETIME: '-100d' }
  const { stdout } = spawnSync(process.execPath, ['-p', 'Date.now()'], { env, encoding: 'utf8' })
  return Number(stdout) > 0 && Number(stdout) < Date.now() - 86_400_000
}
