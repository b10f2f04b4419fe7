import type { EntryId } from '../../../../registration/server-entry.ts'
import { SpindleError } from '../../../../runtime/errors.ts'
import { status } from '../../../../runtime/grpc-status.ts'
import { shownText } from '../../../../runtime/shown-text.ts'

/** What a server says of one entry, as the agent's own error. */
export function refusalOf(code: number, words: string, entryId: EntryId): SpindleError {
  const why = `entry ${entryId}: the server answered: ${shownText(words, 300) || `status ${code}`}`
  if (code === status.NOT_FOUND || code === status.PERMISSION_DENIED)
    return new SpindleError('no_identity', why)
  if (code === status.INVALID_ARGUMENT) return new SpindleError('request_invalid', why)
  return new SpindleError('authority_unavailable', why)
}
