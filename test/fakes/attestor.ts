import type { Attestation, Attestor } from '../../src/agent/attest/attestor.ts'
import type { Selector, SelectorKind } from '../../src/registration/selector.ts'
import type { Clock } from '../../src/runtime/clock.ts'

/** An attestor that finds what it is told to, when it is told to. */
export interface FakeAttestor extends Attestor {
  selectors: readonly string[]
  /** Kinds it cannot look up just now. */
  unknownKinds: readonly SelectorKind[]
  /** While set, attesting fails with it. */
  failure: Error | undefined
  /** While true, attesting waits until it is made false. */
  held: boolean
  /** Whether the process still runs the program that was attested. */
  same: boolean
  /** What each attestation was asked for. */
  readonly wanted: readonly (readonly SelectorKind[])[]
}

export function createFakeAttestor(clock: Clock, ...selectors: readonly string[]): FakeAttestor {
  const wanted: (readonly SelectorKind[])[] = []
  let held = false
  let waiting: (() => void)[] = []
  return {
    selectors,
    unknownKinds: [],
    failure: undefined,
    same: true,
    wanted,
    get held() {
      return held
    },
    set held(value) {
      held = value
      if (held) return
      const all = waiting
      waiting = []
      for (const go of all) go()
    },
    async attest({ peer }, kinds): Promise<Attestation> {
      wanted.push(Array.from(kinds).toSorted())
      if (held) await new Promise<void>((go) => waiting.push(go))
      if (this.failure !== undefined) throw this.failure
      return {
        selectors: new Set(this.selectors as readonly Selector[]),
        unknownKinds: new Set(this.unknownKinds),
        notes: [],
        process: { pid: peer.pid, uid: peer.uid, gid: peer.gid, exe: '/usr/bin/envoy' },
        at: clock.now(),
      }
    },
    unchanged(connection) {
      return this.same && connection.alive()
    },
  }
}
