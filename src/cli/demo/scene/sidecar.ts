/** One member of the cast behind its Envoy, and what that Envoy says it holds. */
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../../os/host/package-root.ts'
import { readText } from '../../../os/scratch.ts'
import type { AgentProcess } from './agent.ts'
import { renderBootstrap } from '../bootstrap.ts'
import type { Member } from './cast.ts'
import type { Ends } from '../ends.ts'
import type { Envoy } from '../envoy.ts'
import { startEnvoy } from '../envoy.ts'
import { get } from './http.ts'
import type { Patience } from '../wait.ts'
import { waitFor } from '../wait.ts'

export interface Sidecar {
  readonly member: Member
  readonly envoy: Envoy
  /** Where its application sends plain HTTP that is to reach the API. */
  readonly outboundPort: number
  /** Where others reach its application over mutual TLS. */
  readonly inboundPort: number
}

export interface SidecarOptions extends Patience {
  readonly agent: AgentProcess
  readonly folder: string
  readonly ends: Ends
  readonly appPort: number
  readonly peerPort: number
  readonly mayCall?: readonly string[]
}

const LISTENER_DEADLINE_MS = 20_000

/** Starts the member's Envoy on its file of `envoy/`; resolves when its listeners accept. */
export async function startSidecar(member: Member, options: SidecarOptions): Promise<Sidecar> {
  const { agent, folder, ends, appPort, peerPort, mayCall, clock, signal } = options
  const bootstrap = join(PACKAGE_ROOT, 'envoy', member.bootstrap)
  const template = readText(bootstrap)
  if (template === undefined) throw new Error(`${bootstrap} cannot be read`)
  const envoy = await startEnvoy({
    binary: member.program,
    config: renderBootstrap(template, {
      nodeId: member.role,
      agentSocket: agent.socket,
      inboundPort: 0,
      outboundPort: 0,
      appPort,
      peerPort,
      // A handshake for every request: each proves the certificates of that very moment.
      requestsPerConnection: 1,
      ...(mayCall !== undefined && { mayCall }),
    }),
    folder: join(folder, `envoy-${member.role}`),
    uid: member.uid,
    clock,
    signal,
  })
  ends.add(() => envoy.stop())
  const port = (name: string): Promise<number> =>
    waitFor(
      `the listener ${name} of the Envoy of ${member.role}`,
      async () => (await envoy.listenerPort(name)) || undefined,
      { clock, signal, withinMs: LISTENER_DEADLINE_MS },
    )
  const outboundPort = await port('outbound')
  const inboundPort = await port('inbound')
  // Envoy names a listener's port a moment before it accepts.
  await waitFor(
    `an answer of the Envoy of ${member.role}`,
    async () => (await get(outboundPort)).status,
    { clock, signal, withinMs: LISTENER_DEADLINE_MS },
  )
  return { member, envoy, outboundPort, inboundPort }
}

export interface Held {
  /** Of the X.509-SVID; undefined while there is none. */
  readonly spiffeId: string | undefined
  readonly serialNumber: string | undefined
  /** Serial numbers of the CA certificates it trusts. */
  readonly trusted: readonly string[]
}

/** What an Envoy says it uses now. */
export async function held({ envoy }: Pick<Sidecar, 'envoy'>): Promise<Held> {
  const { certificates = [] } = JSON.parse(await envoy.admin('/certs')) as Certs
  const leaf = certificates.flatMap((each) => each.cert_chain ?? [])[0]
  const trusted = certificates.flatMap((each) => each.ca_cert ?? []).map((ca) => ca.serial_number)
  return {
    spiffeId: leaf?.subject_alt_names?.[0]?.uri,
    serialNumber: leaf?.serial_number,
    trusted: Array.from(new Set(trusted)),
  }
}

interface Certs {
  readonly certificates?: readonly {
    readonly cert_chain?: readonly Certificate[]
    readonly ca_cert?: readonly Certificate[]
  }[]
}
interface Certificate {
  readonly serial_number: string
  readonly subject_alt_names?: readonly { readonly uri?: string }[]
}
