import assert from 'node:assert/strict'
import { appendFileSync, writeFileSync } from 'node:fs'

/** Writes a file until not one more byte has room beside it. */
export function fillDisk(path: string): void {
  writeFileSync(path, '')
  for (const bytes of [65_536, 4_096, 1])
    try {
      for (;;) appendFileSync(path, Buffer.alloc(bytes))
    } catch (thrown) {
      assert.equal((thrown as NodeJS.ErrnoException).code, 'ENOSPC')
    }
}
