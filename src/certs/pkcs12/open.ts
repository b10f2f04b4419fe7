/**
 * Opens PKCS#12 files (RFC 7292) protected by a password: the ones OpenSSL 3 writes (PBES2), and older ones (3DES, RC2-40).
 * Keys and certificates come out as DER, untouched; what they are worth is for others to say.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { SpindleError } from '../../runtime/errors.ts'
import { binary, bytesOf, createReader, loadForge } from './forge.ts'
import type { Asn1, Forge, Reader } from './forge.ts'

export interface Pkcs12Contents {
  /** DER PKCS#8, unencrypted. Secret. */
  readonly keys: readonly Buffer[]
  /** DER, in the order of the file. */
  readonly certificates: readonly Buffer[]
}

export interface Pkcs12Options {
  /** What faults call the file, and the password. */
  readonly place: string
  readonly passwordPlace: string
}

const DATA = '1.2.840.113549.1.7.1'
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6'
const KEY_BAG = '1.2.840.113549.1.12.10.1.1'
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2'
const CERT_BAG = '1.2.840.113549.1.12.10.1.3'
const SAFE_CONTENTS_BAG = '1.2.840.113549.1.12.10.1.6'
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1'
const PBES2 = '1.2.840.113549.1.5.13'
/** PBES1 of PKCS#12 as far as forge has it: 3DES, RC2-40. */
const PBES1: readonly string[] = ['1.2.840.113549.1.12.1.3', '1.2.840.113549.1.12.1.6']

const MACS = {
  '1.3.14.3.2.26': { name: 'sha1', bytes: 20 },
  '2.16.840.1.101.3.4.2.1': { name: 'sha256', bytes: 32 },
  '2.16.840.1.101.3.4.2.2': { name: 'sha384', bytes: 48 },
  '2.16.840.1.101.3.4.2.3': { name: 'sha512', bytes: 64 },
} as const

/** Some 2 s of work in JavaScript, during which nothing else is done; programs write 2,000 to 10,000. */
const MOST_ITERATIONS = 100_000
/** Purpose of the key that the MAC is made with (RFC 7292 B.3). */
const MAC_KEY = 3
/** Safe contents inside safe contents. */
const MOST_NESTED = 4

/** @throws SpindleError `certificate_invalid` naming the place; never with anything of the password or the contents. */
export async function openPkcs12(
  file: Uint8Array,
  password: string,
  options: Pkcs12Options,
): Promise<Pkcs12Contents> {
  const { place } = options
  if (/^\s*-----BEGIN /.test(binary(file.subarray(0, 64)))) {
    throw invalid(place, 'is PEM; for that there are authority.certFile and authority.keyFile')
  }
  const forge = await loadForge()
  try {
    return new Opening(forge, password, options).open(binary(file))
  } catch (thrown) {
    if (thrown instanceof SpindleError) throw thrown
    // What forge says may quote what it read.
    throw invalid(place, 'is not a PKCS#12 file, or is damaged')
  }
}

class Opening {
  readonly #forge: Forge
  readonly #reader: Reader
  readonly #password: string
  readonly #options: Pkcs12Options
  readonly #keys: Buffer[] = []
  readonly #certificates: Buffer[] = []

  constructor(forge: Forge, password: string, options: Pkcs12Options) {
    this.#forge = forge
    this.#reader = createReader(forge)
    this.#password = password
    this.#options = options
  }

  open(file: string): Pkcs12Contents {
    const { parts, oid, octets, parse } = this.#reader
    const [, authSafe, mac] = parts(parse(file))
    const [kind, content] = parts(authSafe)
    if (oid(kind) !== DATA) throw this.#fault('is signed by a key; one with a password is expected')
    const safes = octets(parts(content)[0])
    this.#checkMac(mac, safes)
    for (const safe of parts(parse(safes))) this.#openSafe(safe)
    return { keys: this.#keys, certificates: this.#certificates }
  }

  /** Before anything is decrypted: what follows has been written by one who knows the password. */
  #checkMac(mac: Asn1 | undefined, safes: string): void {
    if (mac === undefined) throw this.#fault('has no MAC, so nothing says that it is whole')
    const { parts, oid, octets } = this.#reader
    const [digestInfo, salt, iterations] = parts(mac)
    const [algorithm, digest] = parts(digestInfo)
    const id = oid(parts(algorithm)[0])
    const known = Object.hasOwn(MACS, id) ? MACS[id as keyof typeof MACS] : undefined
    if (known === undefined) throw this.#fault(`has a MAC that is not known here (${id})`)
    const rounds = iterations === undefined ? 1 : this.#iterations(iterations)
    const key = this.#forge.pkcs12.generateKey(
      this.#password,
      this.#forge.util.createBuffer(octets(salt)),
      MAC_KEY,
      rounds,
      known.bytes,
      this.#forge.md[known.name].create(),
    )
    const right = createHmac(known.name, bytesOf(key.getBytes())).update(bytesOf(safes)).digest()
    const written = bytesOf(octets(digest))
    if (written.length !== right.length || !timingSafeEqual(written, right)) {
      const { place, passwordPlace } = this.#options
      throw invalid(passwordPlace, `does not hold the password of ${place}, or that is damaged`)
    }
  }

  #openSafe(safe: Asn1): void {
    const { parts, oid, octets } = this.#reader
    const [kind, content] = parts(safe)
    const id = oid(kind)
    if (id === DATA) return this.#openBags(octets(parts(content)[0]))
    if (id !== ENCRYPTED_DATA) throw this.#fault(`has a part that is not known here (${id})`)
    const [, encrypted] = parts(parts(content)[0])
    const [, algorithm, bytes] = parts(encrypted)
    this.#openBags(this.#decrypt(algorithm, octets(bytes)))
  }

  #openBags(contents: string, depth = 0): void {
    const { parts, oid, octets, parse } = this.#reader
    for (const bag of parts(parse(contents))) {
      const [kind, content] = parts(bag)
      const value = parts(content)[0]
      switch (oid(kind)) {
        case KEY_BAG:
          this.#keys.push(bytesOf(this.#forge.asn1.toDer(value!).getBytes()))
          break
        case SHROUDED_KEY_BAG: {
          const [algorithm, bytes] = parts(value)
          this.#keys.push(bytesOf(this.#decrypt(algorithm, octets(bytes))))
          break
        }
        case CERT_BAG: {
          const [form, certificate] = parts(value)
          if (oid(form) !== X509_CERTIFICATE) break
          this.#certificates.push(bytesOf(octets(parts(certificate)[0])))
          break
        }
        case SAFE_CONTENTS_BAG:
          if (depth >= MOST_NESTED) throw this.#fault('is nested too deeply')
          this.#openBags(this.#forge.asn1.toDer(value!).getBytes(), depth + 1)
          break
        // CRLs and secrets are of no use here.
      }
    }
  }

  #decrypt(algorithm: Asn1 | undefined, bytes: string): string {
    const { parts, oid } = this.#reader
    const [id, parameters] = parts(algorithm)
    const name = oid(id)
    if (name !== PBES2 && !PBES1.includes(name)) {
      throw this.#fault(`is encrypted in a way that is not known here (${name})`)
    }
    const [salted] = parts(parameters)
    this.#iterations(parts(name === PBES2 ? parts(salted)[1] : parameters)[1])
    // PBES2 takes the password as UTF-8, the ciphers of PKCS#12 as UTF-16, which forge makes itself.
    const password = name === PBES2 ? this.#forge.util.encodeUtf8(this.#password) : this.#password
    const cipher = ciphers(this.#forge).getCipher(name, parameters, password)
    cipher.update(this.#forge.util.createBuffer(bytes))
    if (!cipher.finish()) throw this.#fault('is damaged')
    return cipher.output.getBytes()
  }

  #iterations(node: Asn1 | undefined): number {
    const count = this.#reader.integer(node)
    if (count !== undefined && count >= 1 && count <= MOST_ITERATIONS) return count
    const most = MOST_ITERATIONS.toLocaleString('en')
    throw this.#fault(`takes more than ${most} iterations to open; write it with fewer`)
  }

  #fault(text: string): SpindleError {
    return invalid(this.#options.place, text)
  }
}

interface Ciphers {
  getCipher(
    oid: string,
    parameters: Asn1 | undefined,
    password: string,
  ): ReturnType<Forge['cipher']['createDecipher']>
}

/** There, though its types do not say so. */
function ciphers(forge: Forge): Ciphers {
  return (forge.pki as unknown as { readonly pbe: Ciphers }).pbe
}

function invalid(place: string, fault: string): SpindleError {
  return new SpindleError('certificate_invalid', `${place}: ${fault}`)
}
