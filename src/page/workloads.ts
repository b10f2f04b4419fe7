/** Every process that uses the Workload API, and how. */
import type { PageState, PageWorkload, PageWorkloadUse } from '../http/page-state.ts'
import { badge, byId, countdown, el } from './dom.ts'
import type { Child } from './dom.ts'
import type { PagedTable } from './table.ts'
import { createPagedTable } from './table.ts'
import { lookOfUse, plural, short } from './text.ts'

export function createWorkloads(): (state: PageState) => void {
  const table: PagedTable<PageWorkload> = createPagedTable(byId('workloads'), {
    heads: ['Process', 'Method', 'State', 'Expires', 'Version sent'],
    perPage: 20,
    none: 'No process uses the Workload API.',
    textOf: ({ pid, uid, path, spiffeIds, uses }) =>
      JSON.stringify([pid, uid, path, spiffeIds, uses.map(({ method, state }) => [method, state])]),
    render,
  })
  return ({ workloads }) => table.show(workloads)
}

function render(workload: PageWorkload): HTMLTableSectionElement {
  const { uses } = workload
  const span = { rowspan: String(Math.max(1, uses.length)) }
  const about = el('th', { scope: 'rowgroup', ...span }, ...processOf(workload))
  const rows = uses.map((use, index) =>
    el('tr', {}, ...(index === 0 ? [about] : []), ...useCells(use)),
  )
  return el('tbody', { 'data-group': '' }, ...rows)
}

function processOf({ pid, uid, path, spiffeIds }: PageWorkload): readonly Child[] {
  return [
    el('span', { class: 'count' }, `pid ${pid} · uid ${uid}`),
    el('small', { class: 'code' }, path === '' ? 'path not known' : path),
    ...spiffeIds.map((id) => el('small', { class: 'code' }, id)),
    spiffeIds.length === 0 && el('small', {}, 'matches no entry'),
  ]
}

function useCells(use: PageWorkloadUse): readonly HTMLTableCellElement[] {
  const { method, state, answers, why, expiresAt, sentAt, version } = use
  const look = lookOfUse(state)
  return [
    el('td', {}, el('span', { class: 'code' }, method), el('small', {}, plural(answers, 'answer'))),
    el('td', {}, badge(look.tone, look.sign, look.word), why !== undefined && el('small', {}, why)),
    el('td', {}, expiresAt === undefined ? '–' : countdown(expiresAt, sentAt)),
    el('td', { class: 'code' }, version === '' ? '–' : short(version)),
  ]
}
