/** What a disk does to files of a test, and what a program that found it says to do about that. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'

/** Of SQLite's, which begin with what they are; further in there may be nothing at all. */
const PAGE_BYTES = 4096

/** Changes one bit, half way through the file, or where the page begins that is there. */
export function flipBit(path: string): void {
  const bytes = readFileSync(path)
  const half = bytes.length >> 1
  bytes[half < PAGE_BYTES ? half : half - (half % PAGE_BYTES)]! ^= 4
  writeFileSync(path, bytes)
}

/** Only what was written first is there. */
export function tear(path: string): void {
  truncateSync(path, readFileSync(path).length >> 1)
}

/** What somebody has to say who could not be started. */
export async function refusalOf(starting: () => Promise<unknown>): Promise<string> {
  try {
    await starting()
  } catch (thrown) {
    assert(thrown instanceof Error)
    return thrown.message
  }
  assert.fail('it started')
}

/** Does what stands in the lines of a shell that `told` has, after `fill` has put in what is to be filled in. */
export function follow(told: string, picked: RegExp, fill = (line: string): string => line): void {
  const line = picked.exec(told)?.[1]
  assert(line !== undefined, `no ${picked} in: ${told}`)
  const { status, stderr } = spawnSync('sh', ['-euc', fill(line)], { encoding: 'utf8' })
  assert.equal(status, 0, `${line}: ${stderr}`)
}
