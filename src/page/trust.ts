/** CA slots, keys for JWT-SVIDs, bundles, files, and rejections by class. */
import type { PageBundle, PageSlot, PageSource, PageState } from '../http/page-state.ts'
import { badge, byId, countdown, el } from './dom.ts'
import { createTable } from './table.ts'
import { lookOfState } from './text.ts'

export function createTrust(): (state: PageState) => void {
  const slots = createTable(byId('slots'), ['Authority', 'State', 'Signs', 'Expires'])
  const jwtSlots = createTable(byId('jwt-slots'), ['Key', 'State', 'Signs', 'Expires'])
  const bundleTable = createTable(byId('bundles'), ['Trust domain', 'Authority', 'Expires'])
  const files = createTable(byId('sources'), ['What', 'File', 'Read', 'State'])
  const rejections = createTable(byId('nacks'), ['Class', 'NACKs', 'In force now'])
  let shown = ''
  return (state) => {
    const { authority, bundles, sources } = state
    const nacks = nackRows(state)
    const key = JSON.stringify([authority, bundles, sources, nacks])
    if (key === shown) return
    shown = key
    byId('authority-kind').textContent = `· ${authority.kind}`
    slots.fill(authority.slots.map(slotRow), 'There is none yet.')
    jwtSlots.fill(authority.jwtSlots.map(slotRow), 'There is none yet.')
    bundleTable.fill(bundles.flatMap(bundleRows), 'There is none yet.')
    files.fill(sources.map(sourceRow), 'None is configured.')
    const rows = nacks.map(([name, count, now]) =>
      el(
        'tr',
        {},
        el('th', { scope: 'row', class: 'code' }, name),
        el('td', { class: 'count' }, String(count)),
        el('td', { class: 'count' }, now > 0 ? badge('bad', '✕', String(now)) : '–'),
      ),
    )
    rejections.fill(rows, 'No secret was rejected.')
  }
}

function slotRow({ authorityId, status, notAfter, activatesAt }: PageSlot) {
  const look = lookOfState(status)
  const signs = status === 'active' ? 'now' : status === 'prepared' ? 'when asked' : 'no more'
  return el(
    'tr',
    {},
    el('th', { scope: 'row', class: 'code' }, authorityId),
    el('td', {}, badge(look.tone, look.sign, look.word)),
    el('td', {}, activatesAt === undefined ? signs : countdown(activatesAt)),
    el('td', {}, countdown(notAfter)),
  )
}

function bundleRows({ trustDomain, own, certificates, fault }: PageBundle): HTMLTableRowElement[] {
  const name = el(
    'th',
    { scope: 'rowgroup', rowspan: String(Math.max(1, certificates.length)) },
    trustDomain,
    el('small', {}, own ? 'own' : 'federated'),
    fault !== undefined && el('small', { class: 'late' }, `✕ ${fault}`),
  )
  if (certificates.length === 0)
    return [el('tr', {}, name, el('td', { colspan: '2' }, 'no authority: it is left out'))]
  return certificates.map(({ subject, subjectKeyId, notAfter }, index) =>
    el(
      'tr',
      {},
      index === 0 && name,
      el('td', { class: 'code', title: subject }, subjectKeyId === '' ? subject : subjectKeyId),
      el('td', {}, countdown(notAfter)),
    ),
  )
}

function sourceRow({ name, file, loadedAt, fault }: PageSource): HTMLTableRowElement {
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, name),
    el('td', { class: 'code' }, file),
    el('td', {}, countdown(loadedAt)),
    el(
      'td',
      {},
      fault === undefined ? badge('good', '✓', 'in use') : badge('bad', '✕', 'not used'),
      fault !== undefined && el('small', {}, fault),
    ),
  )
}

function nackRows({ nacks, sidecars }: PageState): readonly (readonly [string, number, number])[] {
  const now = Map.groupBy(
    sidecars.flatMap(({ secrets }) => secrets.flatMap(({ rejection }) => rejection ?? [])),
    (rejection) => rejection,
  )
  return Object.entries(nacks).map(([name, count]) => [name, count, now.get(name)?.length ?? 0])
}
