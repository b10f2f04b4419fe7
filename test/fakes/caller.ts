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
  /** Run at each `check`: a look at the process may change what is known of it. */
  onCheck: () => void
  matches(...entries: readonly Entry[]): void
  /** Of `possible`, oldest first, it matches `entries`; of the others it cannot be said. */
  mayMatch(entries: readonly Entry[], possible: readonly Entry[]): void
  isUndecided(why: string): void
}

export const WHY_UNDECIDED = 'selectors could not be looked up: unix:sha256'

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
    onCheck: () => undefined,
    check() {
      this.onCheck()
      return this.sound
    },
    matches(...entries) {
      state.set({
        attestation: ATTESTATION,
        match: { entries, undecided: [], possible: entries },
        undecided: undefined,
      })
    },
    mayMatch(entries, possible) {
      const undecided = possible.filter((each) => !entries.includes(each))
      const match = { entries, undecided, possible }
      state.set({ attestation: ATTESTATION, match, undecided: WHY_UNDECIDED })
    },
    isUndecided(why) {
      state.set({ attestation: undefined, match: NOTHING_MATCHED, undecided: why })
    },
  }
}
