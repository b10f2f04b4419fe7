/** Opens what a server signs with. Its keys are in `stateDir`; what others must know of them is in the store. */
import { join } from 'node:path'
import { openJwtAuthority, openX509Authority } from '../../authority/open.ts'
import type { AuthoritySettings } from '../../authority/open.ts'
import type { SealedMore } from '../../authority/slots/sealed-slots.ts'
import type { ServerConfig } from '../../config/server/server-config.ts'
import { removeFiles } from '../../os/files.ts'
import { openStateFile } from '../../os/state-file.ts'
import type { Clock } from '../../runtime/clock.ts'
import { codeOf, messageOf, SpindleError } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/random.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { Store } from '../../store/port.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Registry } from '../enroll/registry.ts'
import { announcedAbove, followAbove, rootsOf } from './above/below.ts'
import { openServerAbove } from './above/server-above.ts'
import type { ServerAbove } from './above/server-above.ts'
import type { Issuing } from './issuing.ts'
import { tellIssuing } from './issuing-event.ts'
import type { IssuingEvent } from './issuing-event.ts'
import { createPublication } from './publication.ts'
import type { Publication } from './publication.ts'
import { drawServerId, readServerId } from './server-id.ts'
import { keepServerSvid } from './server-svid.ts'

export interface IssuingOptions {
  readonly config: Pick<ServerConfig, 'trustDomain' | 'stateDir' | 'store' | 'authority' | 'svid'>
  readonly store: Store
  /** Tells of the own bundle, so that what somebody took out of it is put back at once. */
  readonly registry?: Pick<Registry, 'bundle' | 'onChange'> | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly onEvent?: (event: IssuingEvent) => void
}

const SERVER_ID = 'server-id'
/** Made by an operator who wants a server that lost its keys to begin with new ones. */
const BEGIN_ANEW = 'new-authority'

interface Opening extends IssuingOptions {
  /** Whether an operator wants new authorities where there are none that could be used. */
  readonly anew: boolean
  readonly tell: (event: IssuingEvent) => void
}

/**
 * `stateDir` must be there and ours alone.
 * @throws SpindleError `authority_lost` where the store knows of authorities of this server whose keys are not in `stateDir`,
 * with what to do; `config_invalid`, `authority_unavailable`, `store_unavailable`
 */
export async function openIssuing(options: IssuingOptions): Promise<Issuing> {
  const { config, clock, log, onEvent } = options
  const anew = openStateFile(join(config.stateDir, BEGIN_ANEW), clock).read() !== undefined
  const tell = (event: IssuingEvent): void => {
    tellIssuing(log, event)
    onEvent?.(event)
  }
  try {
    const issuing = await open({ ...options, anew, tell })
    if (anew) removeFiles(config.stateDir, (name) => name === BEGIN_ANEW)
    return issuing
  } catch (thrown) {
    if (codeOf(thrown) !== 'authority_lost') throw thrown
    const text = lostText(config.stateDir, messageOf(thrown))
    throw new SpindleError('authority_lost', text, { cause: thrown })
  }
}

async function open(opening: Opening): Promise<Issuing> {
  const { config, store, registry, clock, random, tell } = opening
  const { trustDomain } = config
  const serverId = await whoThisIs(opening)
  const publication = createPublication({
    trustDomain,
    serverId,
    source: config.authority.kind,
    store,
    clock,
    onFault: (fault) => tell({ of: 'publication', fault }),
  })
  const opened: { close(): unknown }[] = [publication]
  const close = async (): Promise<void> => {
    for (const one of opened.toReversed()) await one.close()
  }
  try {
    await publication.start()
    const above = openAbove(opening)
    if (above !== undefined) opened.push(above)
    const { x509, jwt } = await openAuthorities({ ...opening, publication, above, opened })
    const kept = await keepServerSvid({
      trustDomain,
      authority: x509,
      ttlMs: config.svid.ttlMs,
      clock,
      random,
      onEvent: (event) => tell({ of: 'svid', event }),
    })
    opened.push(kept)
    if (above !== undefined)
      opened.push(followAbove(above, publication, (fault) => tell({ of: 'above', fault })))
    if (registry !== undefined)
      opened.push(followBundle(registry, trustDomain, { publication, above }))
    return { serverId, x509, jwt, svid: kept.svid, close }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

async function openAuthorities({
  publication,
  above,
  opened,
  ...opening
}: Opening & {
  readonly publication: Publication
  readonly above: ServerAbove | undefined
  readonly opened: { close(): unknown }[]
}): Promise<Pick<Issuing, 'x509' | 'jwt'>> {
  const settings = await settingsOf(opening, above)
  const { x509: announcer, jwt: own } = publication
  const x509 = await openX509Authority(settings, { ...common(opening, 'x509'), announcer })
  opened.push(x509)
  const jwt = await openJwtAuthority(settings, {
    ...common(opening, 'jwt'),
    announcer: above === undefined ? own : announcedAbove(own, above),
  })
  opened.push(jwt)
  const { slots, fault } = jwt.state.current
  if (!slots.some(({ status }) => status === 'active'))
    throw new SpindleError('authority_unavailable', fault ?? 'no JWT key signs')
  return { x509, jwt }
}

async function settingsOf(
  { config, store }: Opening,
  upstream: ServerAbove | undefined,
): Promise<AuthoritySettings> {
  const { authority, trustDomain } = config
  if (authority.kind !== 'server') return { ...config, authority }
  if (upstream === undefined) throw new SpindleError('internal', 'there is no server above')
  const knownRoots = rootsOf(await store.bundles.get(trustDomain))
  return { ...config, authority: { ...authority, upstream, knownRoots } }
}

function openAbove({ config, clock, random, tell }: Opening): ServerAbove | undefined {
  const { authority, trustDomain } = config
  if (authority.kind !== 'server') return undefined
  const { address, workloadApiSocket } = authority
  const onFault = (fault: string | undefined): void => tell({ of: 'above', fault })
  return openServerAbove({ address, workloadApiSocket, trustDomain, clock, random, onFault })
}

function common(
  { clock, random, anew, tell }: Opening,
  of: 'x509' | 'jwt',
): SealedMore & Pick<IssuingOptions, 'clock' | 'random'> {
  const damaged = anew ? 'set_aside' : 'refuse'
  return { clock, random, damaged, onEvent: (event) => tell({ of, event }) }
}

async function whoThisIs({ config, store, clock, random, anew }: Opening): Promise<string> {
  const file = openStateFile(join(config.stateDir, SERVER_ID), clock)
  if (!anew) {
    const id = await readServerId(file)
    if (id !== undefined) return id
    // Several servers share a PostgreSQL database, and this one may be new; a SQLite database has always been this one's.
    if (config.store.kind === 'sqlite') await expectNone(store, clock.now())
  }
  return await drawServerId(file, random)
}

async function expectNone(store: Store, now: number): Promise<void> {
  const lost = (await store.authorities.list()).find(
    ({ status, notAfter }) => status === 'active' && now < notAfter,
  )
  if (lost === undefined) return
  const until = new Date(lost.notAfter).toISOString()
  throw new SpindleError(
    'authority_lost',
    `it is empty, and by the store a server with it signs until ${until} (${lost.authorityId})`,
  )
}

function followBundle(
  registry: NonNullable<IssuingOptions['registry']>,
  trustDomain: TrustDomain,
  {
    publication,
    above,
  }: { readonly publication: Publication; readonly above: ServerAbove | undefined },
): { close(): void } {
  const close = registry.onChange(({ bundles }) => {
    if (!bundles.has(trustDomain)) return
    publication.check(registry.bundle(trustDomain))
    // A server below this one may have published a key, which is to be passed on before it signs.
    above?.look()
  })
  return { close }
}

function lostText(stateDir: string, why: string): string {
  return [
    `the authorities of this server in stateDir ${stateDir} cannot be used: ${why}`,
    'The server begins with no other ones by itself.',
    'To go on with them, with the server stopped:',
    `  1. put the newest copy of server-id and authority-*.json back into ${stateDir}, owned by the server, mode 0600`,
    '  2. start the server',
    `To begin with new ones instead: touch ${join(stateDir, BEGIN_ANEW)}, then start the server. What cannot be used is set aside.`,
    'What the old ones have signed stays trusted until it expires. Agents hear of the new ones from another server on the store; where there is none, they join anew with the new bundle.',
  ].join('\n')
}
