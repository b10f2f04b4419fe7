/** One call of spindle.sync.v1: rounds in, what was applied out. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { SyncService } from '../../../../gen/spindle/sync/v1/sync_pb.js'
import type { SyncRequestSchema, SyncResponse } from '../../../../gen/spindle/sync/v1/sync_pb.js'
import type { Clock } from '../../../../runtime/clock.ts'
import { SpindleError } from '../../../../runtime/errors.ts'
import type { SecureClient } from '../../../../wire/secure-client.ts'
import type { Holds } from '../link.ts'

export interface Round {
  readonly parts: readonly SyncResponse[]
  readonly resumeToken: Uint8Array
  readonly entryCount: number
  readonly bundleCount: number
}

export interface SyncCall {
  /** Ends with the call. @throws CallFault; SpindleError where the server breaks a rule of the protocol */
  readonly rounds: AsyncIterable<Round>
  applied(resumeToken: Uint8Array, holds: Holds): void
  cancel(): void
}

/** For the first message: a server answers the opening at once. */
const FIRST_MS = 30_000
const MOST_TOKEN = 256
const MOST_NAMED = 64
/** Of 1 MiB each. */
const MOST_PARTS = 512

export function openSync(
  client: SecureClient,
  opening: { readonly resumeToken: Uint8Array; readonly agentVersion: string },
  clock: Clock,
): SyncCall {
  const call = client.bidi(SyncService.method.sync)
  const send = (step: MessageInitShape<typeof SyncRequestSchema>): void => call.send(step)
  let late = false
  const first = clock.after(FIRST_MS, () => {
    late = true
    call.cancel()
  })
  send({ step: { case: 'open', value: { ...opening } } })
  async function* rounds(): AsyncGenerator<Round> {
    let parts: SyncResponse[] = []
    try {
      for await (const part of call.messages) {
        first.cancel()
        parts.push(part)
        if (parts.length > MOST_PARTS) throw broken('a round is without an end')
        if (!part.complete) continue
        yield checked(parts, part)
        parts = []
      }
    } catch (thrown) {
      if (!late) throw thrown
      throw new SpindleError('unreachable', 'the server does not answer: no round within 30 s')
    } finally {
      first.cancel()
      call.cancel()
    }
  }
  return {
    rounds: rounds(),
    applied(resumeToken, { x509, jwt }) {
      const value = {
        resumeToken,
        x509AuthoritiesInUse: x509.slice(0, MOST_NAMED),
        jwtAuthoritiesInUse: jwt.slice(0, MOST_NAMED),
        moreX509AuthoritiesInUse: x509.length > MOST_NAMED,
        moreJwtAuthoritiesInUse: jwt.length > MOST_NAMED,
      }
      send({ step: { case: 'applied', value } })
    },
    cancel() {
      first.cancel()
      call.cancel()
    },
  }
}

function checked(parts: readonly SyncResponse[], last: SyncResponse): Round {
  const { resumeToken, entryCount, bundleCount } = last
  if (resumeToken.length > MOST_TOKEN) throw broken('a resume token is too long')
  if (parts.some(({ full }) => full !== last.full)) throw broken('a round is full in part')
  return { parts, resumeToken, entryCount, bundleCount }
}

function broken(fault: string): SpindleError {
  return new SpindleError('authority_unavailable', `the server breaks its protocol: ${fault}`)
}
