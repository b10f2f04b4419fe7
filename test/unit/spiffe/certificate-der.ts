import { Buffer } from 'node:buffer'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** One DER element; lengths up to 16 MiB. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const digits = body.length.toString(16)
  const length = hex(digits.padStart(digits.length + (digits.length % 2), '0'))
  return Buffer.concat([Buffer.from([tag, 0x80 + length.length]), length, body])
}

const utcTime = (text: string): Buffer => der(0x17, Buffer.from(text))

/** A certificate in form only: its names are empty and nobody made its signature. */
export function certificateFor(publicKey: KeyObject, options: { version?: boolean } = {}): Buffer {
  const ecdsaWithSha256 = der(0x30, hex('06082a8648ce3d040302'))
  const signed = der(
    0x30,
    ...(options.version === false ? [] : [der(0xa0, hex('020102'))]),
    hex('02020539'),
    ecdsaWithSha256,
    der(0x30),
    der(0x30, utcTime('250101000000Z'), utcTime('350101000000Z')),
    der(0x30),
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  return der(0x30, signed, ecdsaWithSha256, der(0x03, hex('003006020101020101')))
}

export function ecPublicKey(namedCurve: string): KeyObject {
  return generateKeyPairSync('ec', { namedCurve }).publicKey
}
