import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createPlaces } from '../../../../src/server/admit/places.ts'
import type { Guest } from '../../../../src/server/admit/places.ts'

const LIMITS = { connections: 6, connectionsPerAddress: 4 }

type Step = readonly ['take', 'a' | 'b' | 'c'] | readonly ['know' | 'leave', number]

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant('take' as const), fc.constantFrom('a', 'b', 'c')),
  fc.tuple(fc.constantFrom('know', 'leave'), fc.nat(20)),
)

test('createPlaces does what a list does: the oldest stranger leaves, of the address that is full or of all; those known stay', () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 80 }), (history) => {
      const places = createPlaces<Guest>(LIMITS)
      /** Those with a connection, the oldest first. */
      let held: { readonly guest: Guest; stranger: boolean }[] = []
      for (const [what, which] of history) {
        if (what !== 'take') {
          const one = held[which % Math.max(1, held.length)]
          if (one === undefined) continue
          if (what === 'know') one.stranger = false
          else held = held.filter((each) => each !== one)
          places[what](one.guest)
          continue
        }
        const guest = { key: which }
        const own = held.filter((each) => each.guest.key === which)
        const isFull = own.length >= LIMITS.connectionsPerAddress
        const among = isFull ? own : held
        const room = !isFull && held.length < LIMITS.connections
        const oldest = room ? undefined : among.find(({ stranger }) => stranger)
        const reason = isFull ? 'address_limit' : 'connection_limit'
        assert.deepEqual(places.take(guest), {
          counts: [own.length, held.length],
          ...(!room && { reason }),
          ...(oldest && { leaves: oldest.guest }),
        })
        if (oldest !== undefined) {
          // As a connection that is closed at once.
          places.leave(oldest.guest)
          held = held.filter((each) => each !== oldest)
        }
        if (room || oldest !== undefined) held.push({ guest, stranger: true })
      }
    }),
    { numRuns: 500 },
  )
})

test('createPlaces: one that leaves makes room once, however long it takes to close', () => {
  const places = createPlaces<Guest>({ connections: 2, connectionsPerAddress: 2 })
  const [first, second, third, fourth, fifth] = [1, 2, 3, 4, 5].map((at) => ({ key: `${at}` }))
  places.take(first!)
  places.take(second!)
  assert.equal(places.take(third!).leaves, first)
  assert.equal(places.take(fourth!).leaves, second)
  places.leave(first!)
  places.leave(second!)
  places.know(third!)
  assert.equal(places.take(fifth!).leaves, fourth)
})
