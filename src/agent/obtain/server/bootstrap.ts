/** What the server is verified with at first, as the operator said where it is to be had. */
import { Bundle } from '../../../gen/spire/api/server/bundle/v1/bundle_pb.js'
import { readLimited } from '../../../os/files.ts'
import { SpindleError, messageOf } from '../../../runtime/errors.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { usableTrustAnchors } from '../../../certs/parse.ts'
import type { SecureClient } from '../../../wire/secure-client.ts'
import { CALL_MS } from './calls.ts'
import type { Connections } from './connections.ts'
import type { ServerLinkConfig } from '../../../config/link/link-config.ts'
import { readTrust } from './trust.ts'
import type { Trust } from './trust.ts'

const MOST_BYTES = 4 * 2 ** 20

export interface BootstrapOptions {
  readonly config: ServerLinkConfig['trust']
  readonly trustDomain: TrustDomain
  readonly trust: Trust
  readonly connections: Pick<Connections, 'passing' | 'shownAuthority'>
  /** Whether `trust` has held: the agent was attested by it. Until then an operator may give another bundle. */
  readonly settled: boolean
  /** The text behind a https URL. @throws SpindleError */
  readonly fetchText: (url: string) => Promise<string>
}

/**
 * Fills `trust`, where it is empty or has not held yet. @throws SpindleError `config_invalid`, `bundle_invalid` for what the operator has to see to;
 * CallFault
 */
export async function bootstrap(options: BootstrapOptions): Promise<void> {
  const { config, trust, trustDomain, settled } = options
  // What was pinned once stays: another one later is what a pin is against.
  if (trust.state.current !== undefined && (settled || config.kind === 'insecure')) return
  switch (config.kind) {
    case 'file': {
      const authorities = readTrust(readText(config.file), { trustDomain, place: config.file })
      return trust.begin({ authorities, pinned: undefined })
    }
    case 'url': {
      const { url } = config
      const authorities = readTrust(await options.fetchText(url), { trustDomain, place: url })
      return trust.begin({ authorities, pinned: undefined })
    }
    case 'insecure':
      return pin(options)
  }
}

/**
 * Believes the bundle of whoever answers, and then has that server show an SVID which this bundle vouches for. What it leads to
 * is pinned: it was never verified, and neither is what it vouches for.
 */
async function pin({ trust, connections }: BootstrapOptions): Promise<void> {
  const anyone = connections.passing('anyone')
  let authorities: readonly Uint8Array[]
  try {
    authorities = await authoritiesOf(anyone)
  } finally {
    anyone.close()
  }
  trust.begin({ authorities, pinned: authorities[0] })
  const server = connections.passing('server')
  try {
    await authoritiesOf(server)
    trust.begin({ authorities, pinned: connections.shownAuthority ?? authorities[0] })
  } catch (thrown) {
    trust.begin(undefined)
    throw thrown
  } finally {
    server.close()
  }
}

/** Those of the own trust domain, as the server says them now. @throws CallFault; SpindleError `bundle_invalid` */
export async function authoritiesOf(client: SecureClient): Promise<readonly Uint8Array[]> {
  const bundle = await client.call(Bundle.method.getBundle, {}, { deadlineMs: CALL_MS })
  const { anchors } = usableTrustAnchors(bundle.x509Authorities.map(({ asn1 }) => asn1))
  if (anchors.length > 0) return anchors
  throw new SpindleError('bundle_invalid', 'the bundle of the server has no X.509 authority')
}

function readText(file: string): string {
  try {
    return readLimited(file, MOST_BYTES).toString('utf8')
  } catch (thrown) {
    throw new SpindleError('config_invalid', `the trust bundle: ${messageOf(thrown)}`)
  }
}
