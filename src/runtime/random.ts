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

/** Texts unlike any other of this process and of the one before it; nobody needs to be unable to guess the next. */
export function createNonces(random: Random): () => string {
  const life = random.bytes(6).toString('hex')
  let count = 0
  return () => `${life}-${(++count).toString(36)}`
}
