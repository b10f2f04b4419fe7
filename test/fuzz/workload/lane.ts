/** One client after another on one connection after another: each makes the calls that are drawn, and reads what comes. */
import assert from 'node:assert/strict'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { connect, constants } from 'node:http2'
import { connect as connectUnix } from 'node:net'
import { status } from '@grpc/grpc-js'
import type { Draw } from '../draw.ts'
import type { Answer } from './answers.ts'
import { readAnswer } from './answers.ts'
import type { Call, Known } from './requests.ts'
import { drawCall } from './requests.ts'

export interface Tally {
  calls: number
  /** Of them: as the standard has it, and with the header. */
  sound: number
  messages: number
  /** Of ValidateJWTSVID. */
  accepted: number
  refused: number
  /** How calls ended, by RPC and the name of the status. */
  readonly ends: Map<string, number>
}

interface Lane {
  readonly draw: Draw
  readonly known: Known
  readonly tally: Tally
  onConnectionEnd(): void
}

/** They end by themselves. */
const UNARY: readonly string[] = ['FetchJWTSVID', 'ValidateJWTSVID']
const CALLS_A_CONNECTION = 60
const ENDS_MS = 30_000

/** Makes calls until `total` were made, whoever counted them. */
export async function runLane(socket: string, lane: Lane, total: number): Promise<void> {
  const { draw, tally } = lane
  while (tally.calls < total) {
    const session = connect('http://localhost', { createConnection: () => connectUnix(socket) })
    session.on('error', () => undefined)
    for (let count = 0; count < CALLS_A_CONNECTION && tally.calls < total; count++) {
      tally.calls += 1
      await makeCall(session, drawCall(draw, lane.known), lane)
    }
    // No goodbye, whatever is still open on it.
    session.destroy()
    lane.onConnectionEnd()
  }
}

async function makeCall(session: ClientHttp2Session, call: Call, lane: Lane): Promise<void> {
  const { draw, tally } = lane
  const { rpc, path, headers, allowed, sound, body } = call
  if (sound && allowed) tally.sound += 1
  const sentAt = Date.now()
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  const outcome = follow(stream, (message) => {
    assert(allowed, `${rpc} was answered without the header: ${JSON.stringify(headers)}`)
    tally.messages += 1
    return readAnswer(call, message, lane.known)
  })
  stream.end(body)
  await within(
    UNARY.includes(rpc) ? outcome.ended : outcome.settled,
    `an answer of ${path} (${JSON.stringify(headers)})`,
  )
  // A stream of the agent's goes on: some stay for more, some go without a word.
  if (!outcome.over && draw.chance(0.1)) await new Promise((resolve) => setTimeout(resolve, 20))
  if (!outcome.over && draw.chance(0.7)) stream.close(constants.NGHTTP2_CANCEL)
  if (outcome.fault !== undefined) throw outcome.fault

  const { code } = outcome
  const name = code === undefined ? 'none' : String(status[code])
  tally.ends.set(`${rpc} ${name}`, (tally.ends.get(`${rpc} ${name}`) ?? 0) + 1)
  if (!sound) return
  assert(
    code !== status.INTERNAL && code !== status.UNKNOWN,
    `${rpc}: ${name} ${outcome.details}, for ${JSON.stringify(call.asked ?? call.audience)}`,
  )
  if (!allowed) assert.equal(code, status.INVALID_ARGUMENT, `${rpc} ${JSON.stringify(headers)}`)
  else if (call.asked !== undefined) judged(call, outcome, { lane, sentAt })
}

/** Whether a token was taken as it has to be: at one of the two times, if they differ. */
function judged(
  call: Call,
  { answers, details }: Outcome,
  { lane, sentAt }: { readonly lane: Lane; readonly sentAt: number },
): void {
  const { tally, known } = lane
  const { audience, svid } = call.asked!
  const [answer] = answers
  const verdicts = [sentAt, Date.now()].map((now) => known.judge(svid, audience, now))
  if (answer === undefined) {
    tally.refused += 1
    const beyond = /longer than 65536 bytes|nested deeper than 32|number longer than 400/
    assert(
      !verdicts.every(({ accepted }) => accepted) || beyond.test(details),
      `${details}, but it is valid: ${svid}`,
    )
    return
  }
  tally.accepted += 1
  const right = verdicts.find(({ accepted }) => accepted)
  assert(right !== undefined, `accepted, but ${verdicts[0]?.why}: ${svid}`)
  assert.equal(answer.spiffeId, right.spiffeId, svid)
}

interface Outcome {
  /** grpc-status; undefined where none came. */
  code: number | undefined
  details: string
  over: boolean
  /** Something that was received is not as it must be. */
  fault: unknown
  readonly answers: Answer[]
  /** A first message, or the end. */
  readonly settled: Promise<void>
  readonly ended: Promise<void>
}

const text = (field: unknown): string => (typeof field === 'string' ? field : '')

function follow(stream: ClientHttp2Stream, read: (message: Buffer) => Answer): Outcome {
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>()
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const outcome: Outcome = {
    code: undefined,
    details: '',
    over: false,
    fault: undefined,
    answers: [],
    settled,
    ended,
  }
  const readStatus = (fields: Record<string, unknown>): void => {
    if (fields['grpc-status'] === undefined) return
    outcome.over = true
    outcome.code = Number(fields['grpc-status'])
    outcome.details = decodeURIComponent(text(fields['grpc-message']))
    settle()
  }
  let left: Buffer = Buffer.alloc(0)
  stream
    .on('response', readStatus)
    .on('trailers', readStatus)
    .on('error', () => undefined)
    .once('close', () => {
      outcome.over = true
      settle()
      end()
    })
  stream.on('data', (chunk: Buffer) => {
    left = Buffer.concat([left, chunk])
    while (left.length >= 5 && left.length >= 5 + left.readUInt32BE(1)) {
      const end = 5 + left.readUInt32BE(1)
      try {
        outcome.answers.push(read(left.subarray(5, end)))
      } catch (thrown) {
        outcome.fault = thrown
      }
      left = left.subarray(end)
      settle()
    }
  })
  return outcome
}

async function within(over: Promise<void>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ENDS_MS} ms`)), ENDS_MS)
  })
  try {
    await Promise.race([over, late])
  } finally {
    clearTimeout(timer)
  }
}
