/** SDS in this process on a clock of the test's: a real embedded authority, which can be made to be away, and one client. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { X509Authority } from '../../src/authority/authority.ts'
import { createEmbeddedAuthority } from '../../src/authority/embedded.ts'
import { createFileSlotStore } from '../../src/authority/slot-file.ts'
import { verifyX509Svid } from '../../src/certs/parse.ts'
import { SpindleError } from '../../src/runtime/errors.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { InProcessSds } from '../e2e/rig/in-process.ts'
import { serveInProcess } from '../e2e/rig/in-process.ts'
import { eventually } from '../e2e/rig/rig.ts'
import type { SdsClient, SdsStreamClient } from '../e2e/rig/sds-client.ts'
import { createSdsClient } from '../e2e/rig/sds-client.ts'
import type { ManualClock } from '../fakes/clock.ts'
import { createManualClock, settle } from '../fakes/clock.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { createStateFile } from '../fakes/state-file.ts'
import { entry, HOUR } from '../unit/agent/obtain/setting.ts'

export interface InTime {
  readonly clock: ManualClock
  readonly served: InProcessSds
  readonly authority: X509Authority
  readonly client: SdsClient
  /** Has asked for every name, and acknowledges all that comes. */
  readonly stream: SdsStreamClient
  readonly names: readonly string[]
  /** While true nothing is signed. */
  away: boolean
  /** Moves time in `stepMs`, letting what is being signed come to its end after each. */
  pass(ms: number, stepMs?: number): Promise<void>
  /** Resolves when the client's newest certificates are those that are current, which must be valid now. */
  arrived(): Promise<void>
}

/** The authority, but that it can be away: told of nothing, as of a server that does not answer. */
function lettingGo(inner: X509Authority, isAway: () => boolean) {
  const counted = { inFlight: 0 }
  const authority: X509Authority = {
    state: inner.state,
    async issue(request) {
      if (isAway()) throw new SpindleError('authority_unavailable', 'the authority is away')
      counted.inFlight += 1
      try {
        return await inner.issue(request)
      } finally {
        counted.inFlight -= 1
      }
    },
    prepare: () => inner.prepare(),
    activate: () => inner.activate(),
    reload: () => inner.reload(),
    close: () => inner.close(),
  }
  return { authority, counted }
}

export async function inTime(t: TestContext, identities: number): Promise<InTime> {
  const clock = createManualClock()
  const random = createSeededRandom('in time')
  const trustDomain = 'example.org' as TrustDomain
  const embedded = await createEmbeddedAuthority({
    trustDomain,
    keyType: 'ec-p256',
    caTtlMs: 24 * HOUR,
    clock,
    random,
    store: createFileSlotStore(createStateFile(), { kind: 'embedded', trustDomain }),
  })
  const { authority, counted } = lettingGo(embedded, () => made.away)
  const entries = Array.from({ length: identities }, (_, index) => entry(`e${index}`))
  const names = entries.map(({ spiffeId }) => spiffeId)
  const socket = join(temporaryFolder(t), 'agent.sock')
  const served = await serveInProcess(socket, entries, authority, { clock, random })
  const client = createSdsClient(socket)
  const stream = client.delta()
  let answered = 0
  const answering = setInterval(() => {
    for (; answered < stream.received.length; answered++) stream.ack(stream.received[answered]!)
  }, 5)
  t.after(async () => {
    clearInterval(answering)
    client.close()
    await served.stop()
    // Whatever was set by this clock has been taken back.
    assert.equal(clock.pending, 0)
  })
  const quiet = async (): Promise<void> => {
    do await settle()
    while (counted.inFlight > 0)
  }
  const made: InTime = {
    clock,
    served,
    authority,
    client,
    stream,
    names,
    away: false,
    async pass(ms, stepMs = 60_000) {
      for (let left = ms; left > 0; left -= stepMs) {
        await clock.advance(Math.min(left, stepMs))
        await quiet()
      }
    },
    async arrived() {
      await quiet()
      const current = served.identities.current()
      assert.equal(current.length, identities, 'each has one')
      const anchors = new Map([[trustDomain, authority.state.current.anchors]])
      const options = { now: clock.now(), mode: 'strict' } as const
      for (const { svid, entry: own } of current)
        assert.equal(verifyX509Svid(svid.chain, anchors, options), own.spiffeId)
      const wanted = new Set(current.map(({ svid }) => serialOf(svid.chain[0])))
      await eventually('the client has what is current', () =>
        sameAs(wanted, serialsHeld(stream, names)),
      )
    },
  }
  stream.subscribe(...names)
  await eventually('a first certificate each', () => serialsHeld(stream, names).size === identities)
  await made.arrived()
  return made
}

const serialOf = (certificate: Buffer | undefined): string =>
  new X509Certificate(certificate ?? '').serialNumber

/** The serial number of the newest certificate under each name. */
function serialsHeld(stream: SdsStreamClient, names: readonly string[]): Set<string> {
  const held = new Map<string, string>()
  for (const { secrets } of stream.received)
    for (const { name, type } of secrets) {
      if (type.case !== 'tlsCertificate') continue
      const source = type.value.certificateChain?.specifier
      if (source?.case === 'inlineBytes' && names.includes(name))
        held.set(name, serialOf(Buffer.from(source.value)))
    }
  return new Set(held.values())
}

function sameAs(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((each) => other.has(each))
}
