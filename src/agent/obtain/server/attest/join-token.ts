import { readLimited } from '../../../../os/files.ts'
import { SpindleError, messageOf } from '../../../../runtime/errors.ts'
import type { Proof } from './proof.ts'

const MOST_BYTES = 4096

/** A token that an operator had the server make: good for one attestation. */
export function joinTokenProof(
  config: { readonly tokenFile: string } | { readonly token: string },
): Proof {
  const where = 'token' in config ? 'authority.attest.token' : config.tokenFile
  return {
    type: 'join_token',
    payload: async () =>
      Buffer.from('token' in config ? config.token : readToken(config.tokenFile)),
    answer: async () => {
      throw new SpindleError('authority_unavailable', 'the server challenges a join token')
    },
    settle: async () => undefined,
    advice: `a join token is good once and for a while: make another on the server (spindle token generate) and put it into ${where}`,
  }
}

function readToken(file: string): string {
  let token: string
  try {
    token = readLimited(file, MOST_BYTES).toString('utf8').trim()
  } catch (thrown) {
    throw new SpindleError('config_invalid', `the join token: ${messageOf(thrown)}`)
  }
  // What `token generate` prints, written to a file as it is.
  token = token.replace(/^Token:\s*/, '')
  if (token === '') throw new SpindleError('config_invalid', `the join token: ${file} is empty`)
  return token
}
