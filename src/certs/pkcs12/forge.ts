/** node-forge, which knows every cipher a PKCS#12 file may have. Nothing else is asked of it, and only where a file is opened. */
import type forge from 'node-forge'

export type Forge = typeof forge
export type Asn1 = forge.asn1.Asn1

/** Loaded with the first such file: an agent without one is spared the time. */
export async function loadForge(): Promise<Forge> {
  return (await import('node-forge')).default
}

/** forge's form of bytes is a string of characters below 256. */
export const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
export const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')

/** Elements of an ASN.1 value (X.690), each looked at before it is believed. */
export interface Reader {
  /** The parts of a constructed element. @throws TypeError where it is none */
  parts(node: Asn1 | undefined): readonly Asn1[]
  oid(node: Asn1 | undefined): string
  /** Contents of an OCTET STRING, also one in pieces as BER allows. */
  octets(node: Asn1 | undefined): string
  /** A non-negative INTEGER; undefined where it is not one, or too large to count with. */
  integer(node: Asn1 | undefined): number | undefined
  parse(contents: string): Asn1
}

export function createReader({ asn1 }: Forge): Reader {
  const contents = (node: Asn1 | undefined, type?: forge.asn1.Type): string => {
    const own = node !== undefined && (type === undefined || node.type === type)
    if (own && typeof node.value === 'string') return node.value
    throw new TypeError('not a primitive element')
  }
  const parts = (node: Asn1 | undefined): readonly Asn1[] => {
    if (node !== undefined && typeof node.value !== 'string') return node.value
    throw new TypeError('not a constructed element')
  }
  return {
    parts,
    oid: (node) => asn1.derToOid(contents(node, asn1.Type.OID)),
    octets(node) {
      if (node !== undefined && typeof node.value === 'string') return node.value
      return parts(node)
        .map((piece) => contents(piece, asn1.Type.OCTETSTRING))
        .join('')
    },
    integer(node) {
      const bytes = bytesOf(contents(node, asn1.Type.INTEGER))
      return bytes.length > 0 && bytes.length <= 4 && bytes.readInt8(0) >= 0
        ? bytes.readUIntBE(0, bytes.length)
        : undefined
    },
    parse: (text) => asn1.fromDer(text),
  }
}
