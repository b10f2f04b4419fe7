/** What `npm run bench` measures of the Workload API. */
import type { Bench, Figure } from './measure.ts'
import { onYardsticks, spreadOf, web, withAgent } from './measure.ts'
import { firstX509Times, jwtRate, startWatch } from './program.ts'
import type { Row } from './rows.ts'

const CALLERS = 200
const WATCHERS = { streams: 1000, connections: 250 }

/** The same on Spindle, then on the bare servers. */
async function onAll(bench: Bench, measure: (socket: string) => Promise<number>): Promise<Figure> {
  const spindle = await withAgent(bench, [web], ({ socket }) => measure(socket))
  return { spindle, ...(await onYardsticks(bench, ({ socket }) => measure(socket))) }
}

const middle = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

export const WORKLOAD_ROWS: readonly Row[] = [
  {
    name: 'x509-first',
    what: 'FetchX509SVID on a new connection, attested, to its first answer',
    unit: 'ms',
    goal: { most: 5 },
    run: (bench) =>
      onAll(bench, async (socket) => middle(await firstX509Times(bench.binary, socket, CALLERS))),
  },
  {
    name: 'x509-watch-1000',
    what: 'third rotation of 1,000 watchers of FetchX509SVID, first to last arrival',
    unit: 'ms',
    goal: { most: 60 },
    run: (bench) =>
      spreadOf(bench, WATCHERS.streams, (socket) => startWatch(bench.binary, socket, WATCHERS)),
  },
  {
    name: 'jwt-cached',
    what: 'FetchJWTSVID for one audience by 16 attested callers',
    unit: '/s',
    goal: { least: 5000 },
    run: (bench) => onAll(bench, (socket) => jwtRate(bench.binary, socket, 'cached')),
  },
  {
    name: 'jwt-uncached',
    what: 'FetchJWTSVID for another audience each time, ES256',
    unit: '/s',
    goal: { least: 2500 },
    run: (bench) => onAll(bench, (socket) => jwtRate(bench.binary, socket, 'uncached')),
  },
  {
    name: 'jwt-validate',
    what: 'ValidateJWTSVID by 16 attested callers, ES256',
    unit: '/s',
    run: (bench) => onAll(bench, (socket) => jwtRate(bench.binary, socket, 'validate')),
  },
]
