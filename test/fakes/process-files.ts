import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface FakeProcess {
  readonly pid: number
  readonly name?: string
  readonly startTime?: string
  readonly uids?: readonly number[]
  readonly gids?: readonly number[]
  readonly groups?: readonly number[]
  /** Path of a file; undefined for a process that executes nothing any more. */
  readonly exe?: string
}

/** Writes, or writes anew, what /proc shows of a process below the folder `procRoot`. */
export function writeProcess(procRoot: string, process: FakeProcess): void {
  const folder = join(procRoot, String(process.pid))
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const name = process.name ?? 'envoy'
  const fields = Array.from({ length: 49 }, (_, index) => String(index + 4))
  fields[18] = process.startTime ?? '1000'
  writeFileSync(join(folder, 'stat'), `${process.pid} (${name}) S ${fields.join(' ')}\n`)
  const ids = (values: readonly number[]): string => values.join('\t')
  writeFileSync(
    join(folder, 'status'),
    [
      `Name:\t${name.replaceAll('\n', String.raw`\n`)}`,
      `Uid:\t${ids(process.uids ?? [1001, 1001, 1001, 1001])}`,
      `Gid:\t${ids(process.gids ?? [1002, 1002, 1002, 1002])}`,
      `Groups:\t${(process.groups ?? []).join(' ')} `,
      'Threads:\t1\n',
    ].join('\n'),
  )
  if (process.exe !== undefined) symlinkSync(process.exe, join(folder, 'exe'))
}
