/** Values as sealed text: AES-256-GCM, so that what was torn, changed or swapped is seen and never taken for what was written. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { deserialize, serialize } from 'node:v8'
import type { Random } from '../../../runtime/random.ts'

const HEAD = 'spindle sealed 1\n'
const NONCE_BYTES = 12
const TAG_BYTES = 16
export const KEY_BYTES = 32

/** `name` says what it is: what was sealed as one thing does not open as another. */
export function seal(
  value: unknown,
  { key, name, random }: { readonly key: Buffer; readonly name: string; readonly random: Random },
): string {
  const nonce = random.bytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(HEAD + name))
  const sealed = [cipher.update(serialize(value)), cipher.final()]
  return `${HEAD}${Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]).toString('base64')}\n`
}

/** @throws Error that says what is wrong with the text, and nothing of what is in it */
export function unseal(
  text: string,
  { key, name }: { readonly key: Buffer; readonly name: string },
): unknown {
  const bytes = Buffer.from(text.slice(HEAD.length), 'base64')
  if (!text.startsWith(HEAD) || !text.endsWith('\n') || bytes.length < NONCE_BYTES + TAG_BYTES)
    throw new Error('it is cut off, or something else was written over it')
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const cipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(HEAD + name))
  cipher.setAuthTag(bytes.subarray(-TAG_BYTES))
  let plain: Buffer
  try {
    plain = Buffer.concat([cipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), cipher.final()])
  } catch {
    throw new Error('it does not open with its key: bytes of one of them have changed')
  }
  return deserialize(plain) as unknown
}
