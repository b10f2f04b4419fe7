/** The plain HTTP of the demo: the API itself, and requests to it, which know nothing of certificates. */
import { createServer, request } from 'node:http'

export interface Answer {
  readonly status: number
  readonly body: string
}

const ANSWER_DEADLINE_MS = 5_000

/** An API that answers every request with OK. */
export async function startApi(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = createServer((_, answer) => answer.end('OK'))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as { port: number }).port,
    async stop() {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

/** A GET on loopback. */
export function get(port: number, path = '/'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, timeout: ANSWER_DEADLINE_MS }
    const call = request(options, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (text: string) => (body += text))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
      answer.on('error', reject)
    })
    call.on('timeout', () => call.destroy(new Error(`no answer in ${ANSWER_DEADLINE_MS} ms`)))
    call.on('error', reject)
    call.end()
  })
}

/** Requests one after the other, from several workers, until stopped. */
export interface Flow {
  readonly answered: number
  readonly failed: number
  /** What the first one that failed got. */
  readonly firstFailure: string | undefined
  stop(): Promise<void>
}

export function startFlow(send: () => Promise<Answer>, workers: number): Flow {
  let stopped = false
  let answered = 0
  let failed = 0
  let firstFailure: string | undefined
  const fail = (what: string): void => {
    failed += 1
    firstFailure ??= what
  }
  const work = async (): Promise<void> => {
    while (!stopped) {
      try {
        const { status, body } = await send()
        if (status === 200) answered += 1
        else fail(`${status} ${body}`)
      } catch (thrown) {
        fail(String(thrown))
      }
    }
  }
  const working = Array.from({ length: workers }, work)
  return {
    get answered() {
      return answered
    },
    get failed() {
      return failed
    },
    get firstFailure() {
      return firstFailure
    },
    async stop() {
      stopped = true
      await Promise.all(working)
    },
  }
}
