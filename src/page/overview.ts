/** The state in a few figures, and everything that needs a look. */
import type { PageSidecar, PageState } from '../http/page-state.ts'
import { byId, countdown, el } from './dom.ts'
import type { Child } from './dom.ts'
import { isLate, plural } from './text.ts'

/** What /ready answers with. */
export interface Readiness {
  readonly ok: boolean
  readonly checks: readonly {
    readonly name: string
    readonly ok: boolean
    readonly detail: string
  }[]
}

const TOLD = 12

export function createOverview(): (
  state: PageState,
  readiness: Readiness | undefined,
  now: number,
) => void {
  let shown = ''
  return (state, readiness, now) => {
    const { agent } = state
    const trouble = troubles(state, readiness, now)
    const figures = figuresOf(state)
    const key = JSON.stringify([agent, trouble, figures, readiness?.ok])
    if (key === shown) return
    shown = key
    document.title = `${trouble.length > 0 ? `(${trouble.length}) ` : ''}Spindle ${agent.trustDomain}`
    byId('trust-domain').textContent = agent.trustDomain
    byId('about').replaceChildren(
      `version ${agent.version} · pid ${agent.pid} · started `,
      countdown(agent.startedAt),
      ` · ${agent.socket}`,
    )
    byId('tiles').replaceChildren(...figures.map(tile))
    byId('attention').replaceChildren(notice(trouble, readiness))
  }
}

interface Figure {
  readonly name: string
  readonly value: string
  readonly of?: string
  readonly tone?: 'bad' | 'warn' | undefined
  /** Counts down instead of `value`. */
  readonly until?: number | undefined
}

function figuresOf({
  agent,
  sidecars,
  entries,
  entryCount,
  authority,
  nacks,
}: PageState): Figure[] {
  const secrets = sidecars.flatMap((sidecar) => sidecar.secrets)
  const count = (state: string): number => secrets.filter((one) => one.state === state).length
  const rejected = count('rejected')
  const active = authority.slots.find(({ status }) => status === 'active')
  const used = entries.filter(({ users }) => users > 0).length
  const total = Object.values(nacks).reduce((sum, one) => sum + one, 0)
  return [
    { name: 'sidecars', value: numberText(sidecars.length), of: plural(agent.streams, 'stream') },
    {
      name: 'secrets acknowledged',
      value: numberText(count('acknowledged')),
      of: `of ${numberText(secrets.length)}`,
    },
    {
      name: 'secrets rejected',
      value: numberText(rejected),
      of: `${plural(total, 'NACK')} in all`,
      tone: rejected > 0 ? 'bad' : undefined,
    },
    { name: 'entries in use', value: numberText(used), of: `of ${numberText(entryCount)}` },
    {
      name: 'active CA expires',
      value: 'none',
      until: active?.notAfter,
      tone: active === undefined ? 'bad' : undefined,
    },
  ]
}

const numberText = (count: number): string => count.toLocaleString('en')

function tile({ name, value, of, tone, until }: Figure): HTMLElement {
  const figure: Child = until === undefined ? value : countdown(until)
  return el(
    'div',
    tone === undefined ? {} : { class: tone },
    el('dt', {}, name),
    el('dd', {}, figure, of !== undefined && el('small', {}, ` ${of}`)),
  )
}

function notice(trouble: readonly string[], readiness: Readiness | undefined): HTMLElement {
  if (trouble.length === 0)
    return el(
      'p',
      { class: 'notice good' },
      readiness === undefined ? '… being looked at' : '✓ Ready, and nothing needs a look.',
    )
  const told = trouble.slice(0, TOLD)
  const others = trouble.length - told.length
  return el(
    'div',
    { class: `notice ${readiness?.ok === false ? 'bad' : 'warn'}` },
    el('strong', {}, `! ${plural(trouble.length, 'thing needs', 'things need')} a look`),
    el(
      'ul',
      {},
      ...told.map((text) => el('li', {}, text)),
      others > 0 && el('li', {}, `and ${plural(others, 'other')}`),
    ),
  )
}

function troubles(
  { sidecars, entries, authority, sources }: PageState,
  readiness: Readiness | undefined,
  now: number,
): string[] {
  const checks = (readiness?.checks ?? []).filter(({ ok }) => !ok)
  return [
    ...checks.map(({ name, detail }) => `not ready: ${name}: ${detail}`),
    ...(authority.fault === undefined ? [] : [`authority: ${authority.fault}`]),
    ...(authority.jwtFault === undefined ? [] : [`JWT authority: ${authority.jwtFault}`]),
    ...sources.flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`])),
    ...entries.flatMap(({ spiffeId, fault }) =>
      fault === undefined ? [] : [`no newer X.509-SVID for ${spiffeId}: ${fault}`],
    ),
    ...sidecars.flatMap((sidecar) => troublesOf(sidecar, now)),
  ]
}

function troublesOf({ pid, nodeId, spiffeIds, secrets }: PageSidecar, now: number): string[] {
  const who = nodeId === '' ? `pid ${pid}` : `${nodeId} (pid ${pid})`
  const waits = spiffeIds.length === 0 && secrets.some(({ state }) => state === 'waiting')
  return [
    ...(waits ? [`${who} waits: it matches no entry`] : []),
    ...secrets.flatMap(({ name, state, rejection, sentAt, expiresAt }) => {
      if (state === 'rejected') return [`${who} rejects ${name}: ${rejection ?? 'other'}`]
      if (state === 'unanswered') return [`${who} does not answer for ${name}`]
      if (expiresAt === undefined || !isLate(sentAt, expiresAt, now)) return []
      const isGone = state === 'revoked'
      const ended = expiresAt <= now
      const why = isGone ? '; its entry is gone' : ended ? '' : ' and has not been renewed'
      return [`${name} of ${who} ${ended ? 'has expired' : 'expires soon'}${why}`]
    }),
  ]
}
