import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

// In a process of its own: hardening cannot be taken back.
const SCRIPT = `
  import { readFileSync } from 'node:fs'
  import { openLibc } from './src/os/libc.ts'
  import { forbidInspection, isInspectable, raiseOpenFiles } from './src/os/process/hardening.ts'
  const libc = openLibc()
  const before = isInspectable(libc)
  forbidInspection(libc)
  const files = raiseOpenFiles(libc)
  const limits = readFileSync('/proc/self/limits', 'utf8')
  console.log(JSON.stringify({ before, after: isInspectable(libc), files, limits }))
`

test('forbidInspection leaves no core dump and no ptrace; raiseOpenFiles takes all it may', () => {
  const out = execFileSync(
    'sh',
    [
      '-c',
      'ulimit -Sn 100; ulimit -Hn 300; exec "$0" --input-type=module -e "$1"',
      process.execPath,
      SCRIPT,
    ],
    { encoding: 'utf8', cwd: new URL('../../../..', import.meta.url) },
  )
  const { before, after, files, limits } = JSON.parse(out) as {
    before: boolean
    after: boolean
    files: number
    limits: string
  }
  assert.deepEqual({ before, after, files }, { before: true, after: false, files: 300 })
  assert.match(limits, /^Max core file size +0 +0 /m)
  assert.match(limits, /^Max open files +300 +300 /m)
})
