/** Who may be what, who is, and who would be but cannot. */
import type { PageEntry, PageSidecar, PageState } from '../http/page-state.ts'
import { byId, countdown, el } from './dom.ts'
import type { Child } from './dom.ts'
import type { PagedTable } from './table.ts'
import { createPagedTable } from './table.ts'
import { plural } from './text.ts'

interface Row extends PageEntry {
  readonly userNames: readonly string[]
  readonly nearNames: readonly { readonly name: string; readonly missing: readonly string[] }[]
}

const USERS_SHOWN = 3

export function createEntries(): (state: PageState) => void {
  const table: PagedTable<Row> = createPagedTable(byId('entries'), {
    heads: ['SPIFFE ID', 'Selectors', 'X.509-SVID', 'Used by', 'Would, but cannot'],
    perPage: 20,
    none: 'There is no entry.',
    textOf: ({ spiffeId, selectors, hint, userNames, nearNames, fault }) =>
      JSON.stringify([spiffeId, selectors, hint, userNames, nearNames, fault]),
    render,
  })
  return ({ entries, sidecars, workloads }) => {
    // A connection that is a sidecar's is known by its node.
    const names = new Map([
      ...workloads.map(({ id, pid }) => [id, `pid ${pid}`] as const),
      ...sidecars.map((sidecar) => [sidecar.id, nameOf(sidecar)] as const),
    ])
    table.show(
      entries.map((entry) => ({
        ...entry,
        userNames: entry.usedBy.map((id) => names.get(id) ?? id),
        nearNames: entry.near.map(({ sidecar, missing }) => ({
          name: names.get(sidecar) ?? sidecar,
          missing,
        })),
      })),
    )
  }
}

const nameOf = ({ pid, nodeId }: PageSidecar): string =>
  nodeId === '' ? `pid ${pid}` : `${nodeId} (pid ${pid})`

function render(entry: Row): HTMLTableRowElement {
  const { spiffeId, selectors, hint, federatesWith } = entry
  const more = [
    entry.default && 'default',
    hint !== '' && `hint ${hint}`,
    federatesWith.length > 0 && `federates with ${federatesWith.join(', ')}`,
  ].filter((text) => text !== false)
  return el(
    'tr',
    {},
    el(
      'th',
      { scope: 'row' },
      el('span', { class: 'code' }, spiffeId),
      more.length > 0 && el('small', {}, more.join(' · ')),
    ),
    el('td', {}, list(selectors.map((selector) => el('code', {}, selector)))),
    el('td', {}, ...certificateOf(entry)),
    el('td', {}, ...usersOf(entry)),
    el('td', {}, ...nearOf(entry)),
  )
}

function certificateOf({ issuedAt, expiresAt, fault }: PageEntry): readonly Child[] {
  const why = fault !== undefined && el('small', { class: 'late' }, `✕ ${fault}`)
  if (expiresAt === undefined) return ['–', why]
  const life =
    issuedAt !== undefined &&
    el('progress', { 'data-life': `${issuedAt} ${expiresAt}`, 'aria-label': 'life left' })
  return ['expires ', countdown(expiresAt, issuedAt), life, why]
}

function usersOf({ users, userNames }: Row): readonly Child[] {
  if (users === 0) return [el('span', { class: 'soft' }, 'nobody')]
  const shown = userNames.slice(0, USERS_SHOWN)
  const others = users - shown.length
  return [list(shown), others > 0 && el('small', {}, `and ${plural(others, 'other')}`)]
}

function nearOf({ nearNames }: Row): readonly Child[] {
  if (nearNames.length === 0) return ['–']
  return nearNames.map(({ name, missing }) =>
    el('div', {}, `${name} lacks`, list(missing.map((selector) => el('code', {}, selector)))),
  )
}

const list = (items: readonly Child[]): HTMLElement =>
  el('ul', {}, ...items.map((item) => el('li', {}, item)))
