import { randomBytes } from 'node:crypto'

/** Randomness as a value that is passed in. */
export interface Random {
  /** `count` bytes from a cryptographic source. */
  bytes(count: number): Buffer
  /** Uniform in [0, 1). */
  fraction(): number
}

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  // 48 bits are exact in a double and are read in one go.
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
}

/** Of version 4 (RFC 9562 5.4). */
export function drawUuid(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Texts unlike any other of this process and of the one before it; nobody needs to be unable to guess the next. */
export function createNonces(random: Random): () => string {
  const life = random.bytes(6).toString('hex')
  let count = 0
  return () => `${life}-${(++count).toString(36)}`
}
