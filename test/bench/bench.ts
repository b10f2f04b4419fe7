/**
 * `npm run bench [-- --rows a,b --runs 5 --agents 1000 --bare --json]`: DESIGN's figures on this machine, beside a bare grpc-go server
 * in the same run and, with --bare, one on grpc-js. Medians; nothing here is asserted.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../../src/cli/output.ts'
import { makeScratch, readText, removeScratch } from '../../src/os/scratch.ts'
import { buildProgram } from './program.ts'
import type { Bench, Figure } from './measure.ts'
import { startFleet } from './fleet.ts'
import type { Fleet } from './fleet.ts'
import type { Row } from './rows.ts'
import { ROWS } from './rows.ts'
import { SERVER_ROWS } from './rows-server.ts'
import { WORKLOAD_ROWS } from './rows-workload.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '' },
    runs: { type: 'string', default: '5' },
    agents: { type: 'string', default: '1000' },
    bare: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

interface Result {
  readonly row: Row
  readonly spindle: number
  readonly reference: number | undefined
  readonly bare: number | undefined
  readonly all: readonly Figure[]
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

const medianIfAny = (numbers: readonly number[]): number | undefined =>
  numbers.length === 0 ? undefined : median(numbers)

async function measure(bench: Bench, row: Row, runs: number): Promise<Result> {
  const all: Figure[] = []
  for (let run = 0; run < Math.min(runs, row.runs ?? runs); run++) all.push(await row.run(bench))
  return {
    row,
    all,
    spindle: median(all.map(({ spindle }) => spindle)),
    reference: medianIfAny(all.flatMap(({ reference }) => reference ?? [])),
    bare: medianIfAny(all.flatMap(({ bare }) => bare ?? [])),
  }
}

function shown(value: number | undefined, unit: string): string {
  if (value === undefined) return ''
  const digits = value !== 0 && Math.abs(value) < 10 && unit !== '' ? 1 : 0
  return `${value.toFixed(digits)}${unit === '' || unit === '/s' ? unit : ` ${unit}`}`
}

/** The goal, and whether it is met; '' where there is none. */
function judged({ row: { goal }, spindle }: Result): readonly [goal: string, met: string] {
  if (goal === undefined) return ['', '']
  const [text, met] =
    'most' in goal
      ? [`≤ ${goal.most}`, spindle <= goal.most]
      : [`≥ ${goal.least}`, spindle >= goal.least]
  return [text, met ? 'yes' : 'no']
}

const ratio = (of: number, to: number | undefined): string =>
  to === undefined ? '' : (of / to).toFixed(2)

function report(results: readonly Result[]): string {
  const bareHead = values.bare ? ['GRPC-JS', 'RATIO'] : []
  return table(
    ['WHAT', 'SPINDLE', 'REFERENCE', 'RATIO', ...bareHead, 'GOAL', 'MET'],
    results.map((result) => {
      const { row, spindle, reference, bare } = result
      return [
        row.what,
        shown(spindle, row.unit),
        shown(reference, row.unit),
        ratio(spindle, reference),
        ...(values.bare ? [shown(bare, row.unit), ratio(spindle, bare)] : []),
        ...judged(result),
      ]
    }),
  )
}

const envoy =
  process.env['ENVOY_BIN'] || readText(join(import.meta.dirname, '../../.cache/envoy')) || ''
const folder = makeScratch('spindle-bench-')
let started: Promise<Fleet> | undefined
const fleet = (): Promise<Fleet> =>
  (started ??= startFleet(folder, { agents: Number(values.agents), entriesPerAgent: 50 }))
try {
  const binary = buildProgram(folder)
  if (binary === undefined) {
    process.stderr.write('bench: its client is written in Go: install Go (Debian: golang-go)\n')
    process.exitCode = 3
  } else {
    let count = 0
    const bench: Bench = {
      folder,
      binary,
      envoy,
      bare: values.bare,
      fleet,
      next: () => `n${++count}`,
    }
    const rows = [...ROWS, ...WORKLOAD_ROWS, ...SERVER_ROWS]
    const names = values.rows.split(',')
    const wanted = values.rows === '' ? rows : rows.filter(({ name }) => names.includes(name))
    const results: Result[] = []
    for (const row of wanted) {
      process.stderr.write(`${row.name} … `)
      const result = await measure(bench, row, Number(values.runs))
      process.stderr.write(
        `${shown(result.spindle, row.unit)} (load ${loadavg()[0]?.toFixed(1)})\n`,
      )
      results.push(result)
    }
    if (values.json) {
      const rows = results.map(({ row, ...rest }) => ({
        name: row.name,
        unit: row.unit,
        goal: row.goal,
        ...rest,
      }))
      process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
    } else {
      const model =
        /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ??
        cpus()[0]?.model
      process.stdout.write(
        `\n${availableParallelism()} cores (${model}), Linux ${release()}, Node ${process.version}, medians of ${values.runs}\n\n${report(results)}`,
      )
    }
  }
} finally {
  await (await started?.catch(() => undefined))?.close()
  removeScratch(folder)
}
