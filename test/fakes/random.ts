import { createHash } from 'node:crypto'
import type { Random } from '../../src/runtime/random.ts'

/** The same bytes and fractions for the same seed: SHA-256 over seed and counter. */
export function createSeededRandom(seed: string | number = 0): Random {
  let counter = 0
  const block = (): Buffer => createHash('sha256').update(`${seed}/${counter++}`).digest()
  return {
    bytes(count) {
      const blocks: Buffer[] = []
      for (let have = 0; have < count; have += 32) blocks.push(block())
      return Buffer.concat(blocks).subarray(0, count)
    },
    fraction: () => block().readUIntBE(0, 6) / 2 ** 48,
  }
}

/** Hands out `fractions` in turn, over and over, for tests that name the draw they mean. */
export function createScriptedRandom(...fractions: readonly [number, ...number[]]): Random {
  const seeded = createSeededRandom('scripted')
  let next = 0
  return {
    bytes: (count) => seeded.bytes(count),
    fraction: () => fractions[next++ % fractions.length] ?? fractions[0],
  }
}
