/** Everything a fuzz test draws comes from one seed, which it prints: with SPINDLE_SEED the same again. */
import type { TestContext } from 'node:test'

export interface Draw {
  /** 0 to `below` - 1. */
  int(below: number): number
  /** Mostly small, now and then up to `most`. */
  size(most: number): number
  chance(share: number): boolean
  pick<T>(from: readonly [T, ...T[]]): T
  bytes(count: number): Buffer
}

/** xorshift32 (Marsaglia 2003): a message takes dozens of draws, so that a hash for each would be most of the time. */
export function createDraw(seed: number): Draw {
  let state = (seed ^ 0x9e37_79b9) | 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
  for (let warmUp = 0; warmUp < 16; warmUp++) next()
  const int = (below: number): number => next() % Math.max(1, below)
  return {
    int,
    size: (most) => int(int(8) === 0 ? most : Math.min(most, 8)),
    chance: (share) => next() < share * 2 ** 32,
    pick: (from) => from[int(from.length)] ?? from[0],
    bytes: (count) => Buffer.from(Uint8Array.from({ length: count }, next)),
  }
}

export function drawSeed(t: TestContext): number {
  const given = process.env['SPINDLE_SEED']
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
  t.diagnostic(`SPINDLE_SEED=${seed}`)
  return seed
}

const INTERESTING = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x12, 0x30] as const

/** A copy of `bytes` with a few changes: bits, bytes, lengths, pieces taken out, doubled, or taken from `other`. */
export function mutate(draw: Draw, bytes: Buffer, other: Buffer = bytes): Buffer {
  let mutant = Buffer.from(bytes)
  for (let change = 1 + draw.size(12); change > 0; change--) {
    const at = draw.int(mutant.length)
    const end = at + 1 + draw.size(mutant.length - at)
    const piece = (from: Buffer): Buffer => {
      const start = draw.int(from.length)
      return from.subarray(start, start + 1 + draw.size(from.length - start))
    }
    const [head, tail] = [mutant.subarray(0, at), mutant.subarray(end)]
    switch (draw.int(7)) {
      case 0:
        if (mutant.length > 0) mutant[at] = (mutant[at] ?? 0) ^ (1 << draw.int(8))
        break
      case 1:
        if (mutant.length > 0) mutant[at] = draw.pick(INTERESTING)
        break
      case 2:
        if (mutant.length > 0) mutant[at] = (mutant[at] ?? 0) + draw.pick([1, -1, 2, 128])
        break
      case 3:
        mutant = Buffer.concat([head, tail])
        break
      case 4:
        mutant = Buffer.concat([head, mutant.subarray(at, end), mutant.subarray(at)])
        break
      case 5:
        mutant = Buffer.concat([head, piece(other), tail])
        break
      default:
        mutant = Buffer.concat([head, draw.bytes(draw.size(64)), mutant.subarray(at)])
    }
  }
  return mutant
}
