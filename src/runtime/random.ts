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
