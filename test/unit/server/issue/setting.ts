/** A server's store and state folder, for tests of what it issues. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { readServerConfig } from '../../../../src/config/server/server-config.ts'
import type { Clock } from '../../../../src/runtime/clock.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { Issuing } from '../../../../src/server/issue/issuing.ts'
import { openIssuing } from '../../../../src/server/issue/open-issuing.ts'
import type { IssuingEvent } from '../../../../src/server/issue/issuing-event.ts'
import type { IssuingOptions } from '../../../../src/server/issue/open-issuing.ts'
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import type { StoredBundle } from '../../../../src/store/model.ts'
import type { Store } from '../../../../src/store/port.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { placeOf } from '../../../contract/stores.ts'
import type { ManualClock } from '../../../fakes/clock.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { createSeededRandom } from '../../../fakes/random.ts'

export const trustDomain = parseTrustDomain('example.org')

/** One of the servers on a store; `open` again is a restart. */
export interface Server {
  readonly stateDir: string
  readonly events: IssuingEvent[]
  open(more?: Partial<IssuingOptions>): Promise<Issuing>
}

export interface Fleet {
  readonly clock: ManualClock
  /** While `away` is true, nothing in it can be read or changed. */
  readonly store: Store
  away: boolean
  /** `config` is more of its config. */
  server(name: string, config?: string, stateDir?: string): Server
  /** The own bundle in the store. */
  bundle(): Promise<StoredBundle>
}

/** @param real of the servers, where others look at the time too */
export async function fleet(t: TestContext, real?: Clock): Promise<Fleet> {
  const path = join(temporaryFolder(t), 'store.db')
  const { clock, open } = placeOf(t, { kind: 'sqlite', path })
  const store = await open()
  const made: Fleet = {
    clock,
    away: false,
    store: asked(store, () => (made.away ? Promise.reject(away()) : undefined)),
    async bundle() {
      const bundle = await store.bundles.get(trustDomain)
      if (bundle === undefined) throw new Error('there is no bundle')
      return bundle
    },
    server(name, config = '', stateDir = temporaryFolder(t)) {
      const random = createSeededRandom(name)
      const events: IssuingEvent[] = []
      const log = createLog({ level: 'error', format: 'text', stream: { write() {} }, clock })
      const text = `trustDomain: ${trustDomain}\nstateDir: ${stateDir}\n${config}`
      return {
        stateDir,
        events,
        async open(more) {
          const issuing = await openIssuing({
            config: readServerConfig(text, { file: join(stateDir, 'server.yaml') }).config,
            store: made.store,
            clock: real ?? clock,
            random,
            log,
            onEvent: (event) => events.push(event),
            ...more,
          })
          if (more?.store === undefined) t.after(() => issuing.close())
          return issuing
        },
      }
    },
  }
  return made
}

const away = (): SpindleError => new SpindleError('store_unavailable', 'away')

export interface Mortal {
  left: number
  readonly store: Store
  /** Resolves once it has asked what it is not answered. */
  readonly died: Promise<void>
}

/** `store` as a process sees it that dies after `left` more questions and changes: what it asks then is never answered. */
export function mortal(store: Store): Mortal {
  const { promise: died, resolve } = Promise.withResolvers<void>()
  const life: Mortal = {
    left: Infinity,
    died,
    store: asked(store, () => {
      if (life.left-- > 0) return undefined
      resolve()
      return new Promise(() => {})
    }),
  }
  return life
}

/** `store`, but that each question and change is answered by `instead` where that gives something. */
function asked<T extends object>(store: T, instead: () => Promise<unknown> | undefined): T {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member === 'object' && member !== null) return asked(member, instead)
      if (typeof member !== 'function') return member
      return (...given: readonly unknown[]): unknown =>
        instead() ?? Reflect.apply(member, target, given)
    },
  })
}
