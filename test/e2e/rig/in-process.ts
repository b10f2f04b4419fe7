/** SDS on a socket of the test process, from the stages obtain and serve on, with an authority of the test's choosing. */
import type { Caller } from '../../../src/agent/match/caller.ts'
import { createBundles } from '../../../src/agent/obtain/bundles.ts'
import type { IdentityEvent } from '../../../src/agent/obtain/identity.ts'
import type { Identities } from '../../../src/agent/obtain/identities.ts'
import { createIdentities } from '../../../src/agent/obtain/identities.ts'
import { createGrants } from '../../../src/agent/serve/grant/grants.ts'
import { createQuarantine } from '../../../src/agent/serve/quarantine.ts'
import { createResponseEncoder } from '../../../src/agent/serve/responses.ts'
import type { Sds } from '../../../src/agent/serve/sds.ts'
import { createSds } from '../../../src/agent/serve/sds.ts'
import { createSecrets } from '../../../src/agent/serve/secrets.ts'
import { openSocket } from '../../../src/agent/accept/socket.ts'
import type { X509Authority } from '../../../src/authority/authority.ts'
import { openLibc } from '../../../src/os/libc.ts'
import { createPeerReader } from '../../../src/os/peer-credentials.ts'
import type { Entry } from '../../../src/registration/entry.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { createFeed } from '../../../src/runtime/feed.ts'
import type { Random } from '../../../src/runtime/random.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import type { TrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { noJwtKeys } from '../../fakes/authority.ts'

export interface InProcessSds {
  readonly socket: string
  readonly sds: Sds
  readonly identities: Identities
  readonly events: readonly IdentityEvent[]
  stop(): Promise<void>
}

const NAMES = { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' }
const HOUR_MS = 3_600_000

export interface InProcessSettings {
  /** Of identities and streams; connections keep to the real one. */
  readonly clock?: Clock
  readonly random?: Random
}

/** Every caller has every one of `entries`. */
export async function serveInProcess(
  socket: string,
  entries: readonly Entry[],
  authority: X509Authority,
  { clock = systemClock, random = systemRandom }: InProcessSettings = {},
): Promise<InProcessSds> {
  const libc = openLibc()
  const common = { clock, random }
  const trustDomain = 'example.org' as TrustDomain
  const events: IdentityEvent[] = []
  const onEvent = (event: IdentityEvent): void => void events.push(event)
  const options = { authority, keyType: 'ec-p256', ttlMs: HOUR_MS, onEvent } as const
  const identities = createIdentities({ ...common, ...options })
  const bundles = createBundles(trustDomain, authority.state, noJwtKeys())
  const quiet = (): void => undefined
  const match = { entries, undecided: [], possible: entries }
  const opened = await openSocket<Caller>({
    libc,
    peers: createPeerReader({ libc, pidfd: 'preferred' }),
    clock: systemClock,
    limits: { connectionsPerUid: 100, connections: 100, streamsPerConnection: 100 },
    path: socket,
    mode: 0o777,
    folderMode: 0o755,
    welcome: (connection) => ({
      connection,
      state: createFeed({ attestation: undefined, match, undecided: undefined }),
      check: () => true,
    }),
    report: { opened: quiet, closed: quiet, refused: quiet, weaklyHeld: quiet },
  })
  const grants = createGrants({ identities, bundles: bundles.feed })
  const sds = createSds({
    clock,
    callerOf: opened.peerOf,
    grants,
    bundles: bundles.feed,
    secrets: createSecrets(),
    quarantine: createQuarantine(),
    policy: { reserved: NAMES, aliases: new Map(), trustDomain, unregisteredBundles: false },
    nonce: () => systemRandom.bytes(8).toString('hex'),
    encoder: createResponseEncoder('test'),
    observer: {
      opened: quiet,
      closed: quiet,
      pushed: quiet,
      noted: quiet,
      refused: quiet,
      fetched: quiet,
      fetchRefused: quiet,
    },
    namesPerStream: 100,
    ackDeadlineMs: 10_000,
    validator: 'spiffe',
    unauthorized: 'wait',
  })
  sds.addTo(opened.server)
  opened.start()
  return {
    socket,
    sds,
    identities,
    events,
    async stop() {
      sds.endStreams('the test ends')
      await opened.stop()
      grants.close()
      identities.close()
      bundles.close()
      await authority.close()
    },
  }
}
