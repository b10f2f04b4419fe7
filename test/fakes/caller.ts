import type { Attestation } from '../../src/agent/attest/attestor.ts'
import type { Caller, CallerState } from '../../src/agent/match/caller.ts'
import { NOTHING_MATCHED } from '../../src/agent/match/caller.ts'
import type { Peer } from '../../src/agent/accept/connection.ts'
import type { Entry } from '../../src/registration/entry.ts'
import { createFeed } from '../../src/runtime/feed.ts'
import type { MutableFeed } from '../../src/runtime/feed.ts'
import { createFakeConnection } from './connection.ts'
import type { FakeConnection } from './connection.ts'

/** A caller that matches what a test says it matches. */
export interface FakeCaller extends Caller {
  readonly connection: FakeConnection
  readonly state: MutableFeed<CallerState>
  /** What `check` answers. */
  sound: boolean
  matches(...entries: readonly Entry[]): void
  isUndecided(why: string): void
}

const ATTESTATION: Attestation = {
  selectors: new Set(),
  unknownKinds: new Set(),
  notes: [],
  process: { pid: 7, uid: 1001, gid: 1002, exe: '/usr/bin/envoy' },
  at: 0,
}

export function createFakeCaller(peer: Partial<Peer> = {}): FakeCaller {
  const state = createFeed<CallerState>({
    attestation: undefined,
    match: NOTHING_MATCHED,
    undecided: 'the caller is being attested',
  })
  return {
    connection: createFakeConnection(peer),
    state,
    sound: true,
    check() {
      return this.sound
    },
    decided: async () => state.current.undecided === undefined,
    matches(...entries) {
      state.set({
        attestation: ATTESTATION,
        match: { entries, undecided: [], possible: entries },
        undecided: undefined,
      })
    },
    isUndecided(why) {
      state.set({ attestation: undefined, match: NOTHING_MATCHED, undecided: why })
    },
  }
}
