/** Every sidecar and what it holds. */
import type { PageSecret, PageSidecar, PageState } from '../http/page-state.ts'
import { badge, byId, countdown, el } from './dom.ts'
import type { Child } from './dom.ts'
import type { PagedTable } from './table.ts'
import { createPagedTable } from './table.ts'
import { lookOfState, short } from './text.ts'

interface Row extends PageSidecar {
  /** The entry it comes nearest to, where it matches none. */
  readonly nearest: string | undefined
}

const ORDER = ['rejected', 'unanswered', 'revoked', 'pending', 'waiting', 'sent', 'acknowledged']

export function createSidecars(): (state: PageState) => void {
  const table: PagedTable<Row> = createPagedTable(byId('sidecars'), {
    heads: ['Sidecar', 'Process', 'Secret', 'State', 'Expires', 'Version in use'],
    perPage: 20,
    none: 'No sidecar has a stream open.',
    textOf: (row) =>
      JSON.stringify([
        row.pid,
        row.uid,
        row.path,
        row.nodeId,
        row.cluster,
        row.envoyVersion,
        row.spiffeIds,
        row.secrets.map(({ name, state, rejection }) => [name, state, rejection]),
      ]),
    render,
  })
  return ({ sidecars, entries }) => {
    const nearest = new Map(
      entries.flatMap(({ spiffeId, near }) =>
        near.map(({ sidecar, missing }) => [sidecar, `${spiffeId} lacks ${missing.join(', ')}`]),
      ),
    )
    const rows = sidecars.map((sidecar) => ({
      ...sidecar,
      nearest: sidecar.spiffeIds.length === 0 ? nearest.get(sidecar.id) : undefined,
    }))
    // What needs a look comes first; those alike stay in the order they connected in.
    table.show(rows.toSorted((one, other) => urgency(one) - urgency(other)))
  }
}

const urgency = ({ secrets }: PageSidecar): number =>
  Math.min(ORDER.length, ...secrets.map(({ state }) => ORDER.indexOf(state)))

function render(sidecar: Row): HTMLTableSectionElement {
  const { secrets } = sidecar
  const span = { rowspan: String(Math.max(1, secrets.length)) }
  const about = [
    el('th', { scope: 'rowgroup', ...span }, ...nameOf(sidecar)),
    el('td', span, ...processOf(sidecar)),
  ]
  const rows =
    secrets.length === 0
      ? [el('tr', {}, ...about, el('td', { colspan: '4' }, 'asked for nothing yet'))]
      : secrets.map((secret, index) =>
          el('tr', {}, ...(index === 0 ? about : []), ...secretCells(secret)),
        )
  return el('tbody', { 'data-group': '' }, ...rows)
}

function nameOf({ nodeId, cluster, envoyVersion, spiffeIds, nearest }: Row): readonly Child[] {
  const version = envoyVersion === '' ? 'version not told' : `Envoy ${envoyVersion}`
  return [
    nodeId === '' ? 'node not told' : nodeId,
    el('small', {}, cluster === '' ? version : `${cluster} · ${version}`),
    ...spiffeIds.map((id) => el('small', { class: 'code' }, id)),
    spiffeIds.length === 0 &&
      el('small', {}, nearest === undefined ? 'matches no entry' : `no entry: ${nearest}`),
  ]
}

function processOf({ pid, uid, path }: PageSidecar): readonly Child[] {
  return [
    el('span', { class: 'count' }, `pid ${pid} · uid ${uid}`),
    el('small', { class: 'code' }, path === '' ? 'path not known' : path),
  ]
}

function secretCells(secret: PageSecret): readonly HTMLTableCellElement[] {
  const { name, kind, state, variant, rejection, why, expiresAt, sentAt } = secret
  const look = lookOfState(state)
  return [
    el(
      'td',
      {},
      el('span', { class: 'code' }, name),
      el('small', {}, kind === '' ? variant : `${kind} · ${variant}`),
    ),
    el(
      'td',
      {},
      badge(look.tone, look.sign, look.word),
      rejection !== undefined && el('small', {}, `class ${rejection}`),
      why !== undefined && el('small', {}, why),
    ),
    el('td', {}, expiresAt === undefined ? '–' : countdown(expiresAt, sentAt)),
    el('td', { class: 'code' }, versionText(secret)),
  ]
}

function versionText({ version, acknowledgedVersion: inUse }: PageSecret): string {
  if (version === '' && inUse === '') return '–'
  if (version === inUse || version === '') return short(inUse)
  return `${inUse === '' ? 'none' : short(inUse)} (sent ${short(version)})`
}
