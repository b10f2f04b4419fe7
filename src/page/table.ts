/** A table of many rows: filtered by words, and shown a page at a time, so that a thousand sidecars are no thousand rows. */
import { el, noRow, only } from './dom.ts'
import { fits } from './text.ts'

export interface PagedTable<T> {
  /** Shows other rows, on the page that is open; what did not change is left as it is. */
  show(rows: readonly T[]): void
}

export interface PagedTableOptions<T> {
  readonly perPage: number
  /** What a filter finds a row by. */
  readonly textOf: (row: T) => string
  readonly render: (row: T) => HTMLTableSectionElement | HTMLTableRowElement
  /** Where there is no row, and no filter. */
  readonly none: string
}

export function createPagedTable<T>(
  section: HTMLElement,
  options: PagedTableOptions<T>,
): PagedTable<T> {
  const { perPage, textOf, render, none } = options
  const table = only<HTMLTableElement>(section, 'table')
  const filter = only<HTMLInputElement>(section, 'input')
  const columns = table.querySelectorAll('thead th').length
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
    for (const body of Array.from(table.tBodies)) body.remove()
    if (open.length === 0)
      table.append(el('tbody', {}, noRow(columns, words === '' ? none : 'nothing found')))
    else table.append(...bodies(open.map(render)))
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
function bodies(
  rendered: readonly (HTMLTableSectionElement | HTMLTableRowElement)[],
): readonly HTMLTableSectionElement[] {
  if (rendered.every((one) => one instanceof HTMLTableSectionElement)) return rendered
  return [el('tbody', {}, ...rendered)]
}
