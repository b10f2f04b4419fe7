import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  belatedRenewalInstant,
  renewalInstant,
  replacementDelay,
} from '../../../src/runtime/renewal.ts'
import { createSeededRandom } from '../../fakes/random.ts'

const life = { issuedAt: 1_000_000, notAfter: 1_100_000 }

test('renewalInstant: spans 40 % to 60 % of the life, counted from issue', () => {
  assert.equal(renewalInstant(life, 0), 1_040_000)
  assert.equal(renewalInstant(life, 0.5), 1_050_000)
  assert.equal(renewalInstant(life, 1), 1_060_000)
})

test('renewalInstant: many draws use the whole window evenly', () => {
  const random = createSeededRandom(1)
  const tenths = Array.from({ length: 10 }, () => 0)
  for (let draw = 0; draw < 5_000; draw++) {
    const place = (renewalInstant(life, random.fraction()) - 1_040_000) / 20_000
    const tenth = Math.floor(place * 10)
    tenths[tenth] = (tenths[tenth] ?? 0) + 1
  }
  for (const count of tenths) assert.ok(count > 400 && count < 600, tenths.join(' '))
})

test('belatedRenewalInstant: spans four fifths of what is left, and is now where nothing is', () => {
  const left = { now: 1_000, notAfter: 2_000 }
  assert.equal(belatedRenewalInstant(left, 0), 1_000)
  assert.equal(belatedRenewalInstant(left, 1), 1_800)
  assert.equal(belatedRenewalInstant({ now: 3_000, notAfter: 2_000 }, 0.5), 3_000)
})

test('replacementDelay: the first few do not wait, the others a second for each that there is, and never for most of a life', () => {
  const leftMs = 3_600_000
  const longest = (at: number, of: number, left = leftMs) =>
    replacementDelay({ at, of, leftMs: left }, 1)
  assert.deepEqual(
    [longest(0, 1), longest(3, 1_000), longest(4, 5), longest(4, 54)],
    [0, 0, 1_000, 50_000],
  )
  assert.equal(longest(53, 54), 50_000)
  assert.equal(replacementDelay({ at: 53, of: 54, leftMs }, 0.5), 25_000)
  assert.equal(longest(500, 10_000), 120_000)
  assert.equal(longest(53, 54, 40_000), 10_000)
  assert.equal(longest(53, 54, -1), 0)
})

test('replacementDelay: of 200 holders with 50 each no second asks for many more than one of each, once the first few have been asked for', () => {
  const random = createSeededRandom(200)
  const [holders, of] = [200, 50]
  const seconds = Array.from({ length: 60 }, () => 0)
  let atOnce = 0
  for (let holder = 0; holder < holders; holder++) {
    let fraction = 0
    for (let at = 0; at < of; at++) {
      // Four go in one call.
      if (at % 4 === 0) fraction = random.fraction()
      const delay = replacementDelay({ at, of, leftMs: 1_800_000 }, fraction)
      if (delay === 0) atOnce += 1
      else seconds[Math.floor(delay / 1_000)]! += 1
    }
  }
  assert.equal(atOnce, 4 * holders)
  assert(Math.max(...seconds) < 1.4 * holders, seconds.join(' '))
  assert.equal(seconds.slice(46).filter((count) => count > 0).length, 0)
})
