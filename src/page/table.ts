/** Tables, and those of many rows: filtered by words, and shown a page at a time, so that a thousand sidecars are no thousand rows. */
import { el, only } from './dom.ts'
import { fits } from './text.ts'

type Rendered = HTMLTableSectionElement | HTMLTableRowElement

export interface Table {
  /** Shows these rows alone; where there is none, `none`. */
  fill(rows: readonly Rendered[], none: string): void
}

/** A table at the end of `place`, a column for each of `heads`. */
export function createTable(place: HTMLElement, heads: readonly string[]): Table {
  const columns = heads.map((head) => el('th', { scope: 'col' }, head))
  const table = el('table', {}, el('thead', {}, el('tr', {}, ...columns)))
  place.append(el('div', { class: 'scroll' }, table))
  return {
    fill(rows, none) {
      for (const body of Array.from(table.tBodies)) body.remove()
      const nothing = el('td', { colspan: `${heads.length}` }, none)
      table.append(...bodies(rows.length > 0 ? rows : [el('tr', { class: 'none' }, nothing)]))
    },
  }
}

export interface PagedTable<T> {
  /** Shows other rows, on the page that is open; what did not change is left as it is. */
  show(rows: readonly T[]): void
}

export interface PagedTableOptions<T> {
  readonly heads: readonly string[]
  readonly perPage: number
  /** What a filter finds a row by. */
  readonly textOf: (row: T) => string
  readonly render: (row: T) => Rendered
  /** Where there is no row, and no filter. */
  readonly none: string
}

/** @param section has a heading in a `.bar`, beside which the filter goes */
export function createPagedTable<T>(
  section: HTMLElement,
  options: PagedTableOptions<T>,
): PagedTable<T> {
  const { heads, perPage, textOf, render, none } = options
  const name = `${section.id}-filter`
  const filter = el('input', { type: 'search', name, autocomplete: 'off', spellcheck: 'false' })
  only(section, '.bar').append(el('label', {}, 'Filter ', filter))
  const table = createTable(section, heads)
  const before = el('button', { type: 'button' }, 'Previous')
  const after = el('button', { type: 'button' }, 'Next')
  const place = el('span', { 'aria-live': 'polite' })
  const pager = el('div', { class: 'pager' }, before, after, place)
  section.append(pager)
  let rows: readonly T[] = []
  let page = 0
  let shown = ''

  const draw = (): void => {
    const words = filter.value.trim()
    const found = words === '' ? rows : rows.filter((row) => fits(words, textOf(row)))
    const last = Math.max(0, Math.ceil(found.length / perPage) - 1)
    page = Math.min(page, last)
    const start = page * perPage
    const open = found.slice(start, start + perPage)
    before.disabled = page === 0
    after.disabled = page === last
    pager.hidden = last === 0 && words === ''
    const end = start + open.length
    place.textContent =
      found.length === 0
        ? 'nothing found'
        : `${start + 1}–${end} of ${found.length.toLocaleString('en')}`
    const key = JSON.stringify(open)
    if (key === shown) return
    shown = key
    table.fill(open.map(render), words === '' ? none : 'nothing found')
  }
  const turn = (by: number): void => {
    page += by
    draw()
  }
  before.addEventListener('click', () => turn(-1))
  after.addEventListener('click', () => turn(1))
  filter.addEventListener('input', () => {
    page = 0
    draw()
  })
  return {
    show(next) {
      rows = next
      draw()
    },
  }
}

/** Rows that come alone share a body. */
function bodies(rendered: readonly Rendered[]): readonly HTMLTableSectionElement[] {
  if (rendered.every((one) => one instanceof HTMLTableSectionElement)) return rendered
  return [el('tbody', {}, ...rendered)]
}
