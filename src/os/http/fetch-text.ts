/** A text behind a https URL, whose server is verified as those of the web are. */
import { request } from 'node:https'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError, messageOf } from '../../runtime/errors.ts'

export interface FetchTextOptions {
  readonly clock: Clock
  /** PEM; undefined: the roots that Node has, and those of NODE_EXTRA_CA_CERTS. */
  readonly roots?: string | undefined
}

const MOST_BYTES = 4 * 2 ** 20
const WITHIN_MS = 15_000

/** Follows no redirect. @throws SpindleError `unreachable` */
export function fetchText(url: string, { clock, roots }: FetchTextOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (why: string): void => {
      timer.cancel()
      reject(new SpindleError('unreachable', `${url}: ${why}`))
      asked.destroy()
    }
    const options = {
      agent: false,
      headers: { accept: '*/*' },
      ...(roots !== undefined && { ca: roots }),
    }
    const asked = request(url, options, (response) => {
      if (response.statusCode !== 200) return failed(`it answered ${response.statusCode}`)
      const parts: Buffer[] = []
      let length = 0
      response.on('data', (part: Buffer) => {
        length += part.length
        if (length > MOST_BYTES) return failed(`it is longer than ${MOST_BYTES} bytes`)
        parts.push(part)
      })
      response.on('aborted', () => failed('the connection was lost'))
      response.on('end', () => {
        timer.cancel()
        resolve(Buffer.concat(parts).toString('utf8'))
      })
    })
    const timer = clock.after(WITHIN_MS, () => failed(`nothing within ${WITHIN_MS / 1_000} s`))
    asked.on('error', (error) => failed(messageOf(error)))
    asked.end()
  })
}
