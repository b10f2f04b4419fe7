import { sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import {
  bitString,
  element,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
} from '../der.ts'
import type { KeyPair } from '../keys.ts'
import { distinguishedName } from '../profile.ts'
import { algorithmFor } from './algorithms.ts'

const signInPool = promisify(
  (
    digest: string,
    bytes: Buffer,
    key: KeyPair['privateKey'],
    done: (error: Error | null, signature: Buffer) => void,
  ) => sign(digest, bytes, key, done),
)

const VERSION_1 = integer(Buffer.from([0]))
const SUBJECT = distinguishedName('Spindle', {})
const EXTENSION_REQUEST = objectIdentifier('1.2.840.113549.1.9.14')
const SUBJECT_ALT_NAME = objectIdentifier('2.5.29.17')

/**
 * A request for a certificate of `key` (PKCS #10, RFC 2986), in DER. `spiffeId` is what it asks for, and may be asked with DNS
 * names; a server that knows who asks does not need it, and one of SPIRE's is told nothing by an agent.
 */
export async function writeCsr(
  key: KeyPair,
  asked: { readonly spiffeId?: SpiffeId; readonly dnsNames?: readonly string[] } = {},
): Promise<Buffer> {
  const { spiffeId, dnsNames = [] } = asked
  const attributes = spiffeId === undefined ? [] : [extensionRequest(spiffeId, dnsNames)]
  const info = sequence(VERSION_1, SUBJECT, key.spki, element(0xa0, ...attributes))
  const { digest, identifier } = algorithmFor(key)
  // A P-256 signature takes less time than handing it to the thread pool.
  const signature =
    key.type === 'ec-p256'
      ? sign(digest, info, key.privateKey)
      : await signInPool(digest, info, key.privateKey)
  return sequence(info, identifier, bitString(signature))
}

function extensionRequest(spiffeId: SpiffeId, dnsNames: readonly string[]): Buffer {
  const names = sequence(
    element(0x86, Buffer.from(spiffeId, 'latin1')),
    ...dnsNames.map((name) => element(0x82, Buffer.from(name, 'latin1'))),
  )
  const extensions = sequence(sequence(SUBJECT_ALT_NAME, octetString(names)))
  return sequence(EXTENSION_REQUEST, set(extensions))
}
