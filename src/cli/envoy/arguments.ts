import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import type { Address, Peers, SidecarSettings } from '../../bootstrap/settings.ts'
import { renderSidecar } from '../../bootstrap/sidecar.ts'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import {
  isWorkloadId,
  parseSpiffeId,
  parseTrustDomain,
  trustDomainOf,
} from '../../spiffe/spiffe-id.ts'
import { DEFAULT_AGENT_SOCKET, DEFAULT_ENVOY_ADMIN_PORT } from '../options.ts'
import { shellWord } from '../shell-word.ts'

/** As commander reads them. */
export interface SidecarArguments {
  readonly service: string
  readonly nodeId?: string
  readonly inbound: number
  readonly app: number
  readonly outbound?: number
  readonly peer?: string
  readonly trustDomain?: string
  /** true: without names. */
  readonly federated?: true | readonly string[]
  readonly allow?: readonly string[]
  readonly allowPeer?: readonly string[]
  readonly variant: 'delta' | 'sotw'
  readonly onDemand: boolean
  readonly socket: string
  readonly adminPort: number
}

/** @throws SpindleError `usage` naming the option */
export function sidecarConfig(options: SidecarArguments): string {
  return renderSidecar(settingsOf(options))
}

function settingsOf(options: SidecarArguments): SidecarSettings {
  const { service, nodeId = service, outbound, peer, allowPeer } = options
  expect(/^[\w.-]{1,128}$/.test(service), '--service: letters, digits, dots, - and _ are allowed')
  expect(/^[\w.:/-]{1,128}$/.test(nodeId), '--node-id: letters, digits and . : / _ - are allowed')
  expect(
    isAbsolute(options.socket) && !/[\p{C}]/u.test(options.socket),
    '--socket: must be an absolute path',
  )
  expect((outbound === undefined) === (peer === undefined), '--outbound and --peer belong together')
  expect(
    outbound !== undefined || allowPeer === undefined,
    '--allow-peer: needs --outbound and --peer, as it says whom the application may reach',
  )
  expect(
    !(options.onDemand && options.variant === 'sotw'),
    '--on-demand: needs --variant delta; over state-of-the-world SDS nothing tells Envoy that a certificate is missing, so callers would hang',
  )
  return {
    service,
    nodeId,
    inboundPort: options.inbound,
    appPort: options.app,
    outbound:
      outbound === undefined || peer === undefined
        ? undefined
        : { port: outbound, peer: addressOf(peer) },
    adminPort: options.adminPort,
    socket: options.socket,
    variant: options.variant,
    onDemand: options.onDemand,
    federated: options.federated !== undefined,
    mayCall: peersOf('--allow', options.allow, options),
    mayBeCalled:
      outbound === undefined
        ? { kind: 'exact', spiffeIds: [] }
        : peersOf('--allow-peer', allowPeer, options),
    command: commandOf(options),
  }
}

function peersOf(
  option: string,
  ids: readonly string[] | undefined,
  { trustDomain, federated }: SidecarArguments,
): Peers {
  const own = trustDomain === undefined ? [] : [named('--trust-domain', trustDomain)]
  const others =
    federated === undefined || federated === true
      ? []
      : federated.map((name) => named('--federated', name))
  if (ids === undefined) {
    expect(
      own.length > 0,
      `--trust-domain: needed to let in all of it, where ${option} names nobody`,
    )
    return { kind: 'trust-domains', trustDomains: [...own, ...others] }
  }
  const trusted = new Set([...own, ...others])
  const spiffeIds = ids.map((text) => {
    const id = attempt(option, () => parseSpiffeId(text))
    expect(isWorkloadId(id), `${option} ${text}: has no path, so it is no workload`)
    return id
  })
  const foreign = spiffeIds.filter(
    (id) =>
      federated === undefined &&
      trustDomainOf(id) !== (own[0] ?? trustDomainOf(spiffeIds[0] ?? id)),
  )
  expect(
    foreign.length === 0,
    `${option} ${foreign[0]}: is of another trust domain; add --federated to ask for its bundle`,
  )
  const unknown = spiffeIds.find(
    (id) =>
      federated !== undefined &&
      federated !== true &&
      own.length > 0 &&
      !trusted.has(trustDomainOf(id)),
  )
  expect(unknown === undefined, `${option} ${unknown}: is of none of the trust domains named`)
  return { kind: 'exact', spiffeIds }
}

const named = (option: string, name: string): string =>
  attempt(option, () => parseTrustDomain(name))

function addressOf(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain ?? ''
  const port = Number(digits)
  const isName = isIP(host) === 0
  const isHost = isName ? bracketed === undefined && /^[A-Za-z0-9.-]{1,253}$/.test(host) : true
  expect(
    host !== '' && isHost && port > 0 && port < 65_536,
    `--peer ${text}: must be host:port, as 10.0.0.7:8443, [::1]:8443 or web.internal:8443`,
  )
  return { host, port, isName }
}

function attempt<T>(option: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    throw new SpindleError('usage', `${option}: ${messageOf(thrown)}`, { cause: thrown })
  }
}

function expect(holds: boolean, fault: string): void {
  if (!holds) throw new SpindleError('usage', fault)
}

/** The command line that prints the same again, with what is the default left out. */
function commandOf(options: SidecarArguments): string {
  const { nodeId, outbound, peer, federated, adminPort } = options
  const words: (string | number | undefined)[] = [
    '--service',
    options.service,
    ...(nodeId === undefined ? [] : ['--node-id', nodeId]),
    '--inbound',
    options.inbound,
    '--app',
    options.app,
    ...(outbound === undefined ? [] : ['--outbound', outbound, '--peer', peer]),
    ...(options.trustDomain === undefined ? [] : ['--trust-domain', options.trustDomain]),
    ...(federated === undefined ? [] : ['--federated', ...(federated === true ? [] : federated)]),
    ...(options.allow === undefined ? [] : ['--allow', ...options.allow]),
    ...(options.allowPeer === undefined ? [] : ['--allow-peer', ...options.allowPeer]),
    ...(options.variant === 'delta' ? [] : ['--variant', options.variant]),
    ...(options.onDemand ? ['--on-demand'] : []),
    ...(options.socket === DEFAULT_AGENT_SOCKET ? [] : ['--socket', options.socket]),
    ...(adminPort === DEFAULT_ENVOY_ADMIN_PORT ? [] : ['--admin-port', adminPort]),
  ]
  return ['spindle', 'envoy', 'config', ...words.map((word) => shellWord(String(word)))].join(' ')
}
