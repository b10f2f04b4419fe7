/** A line graph as SVG: for a page of the docs, readable on light and dark ground. */
export interface Series {
  readonly name: string
  readonly unit: string
  /** [minutes, value] */
  readonly points: [number, number][]
}

const WIDTH = 760
const HEIGHT = 280
const LEFT = 48
const RIGHT = 120
const TOP = 34
const BOTTOM = 30
const COLOURS = ['#c2410c', '#2563eb', '#16a34a', '#9333ea']

/** A round step that cuts `span` into at most `parts`. */
export function niceStep(span: number, parts: number): number {
  const raw = span / parts
  const magnitude = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].find((factor) => factor * magnitude >= raw) ?? 10
  return step * magnitude
}

export function drawGraph(title: string, series: readonly Series[]): string {
  const points = series.flatMap((each) => each.points)
  const across = Math.max(...points.map(([x]) => x), 1)
  const step = niceStep(Math.max(...points.map(([, y]) => y), 1), 5)
  const up = Math.ceil(Math.max(...points.map(([, y]) => y), 1) / step) * step
  const x = (value: number): number => LEFT + (value / across) * (WIDTH - LEFT - RIGHT)
  const y = (value: number): number => HEIGHT - BOTTOM - (value / up) * (HEIGHT - TOP - BOTTOM)
  const text = (at: readonly [number, number], words: string, more = ''): string =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${more}>${escaped(words)}</text>`
  const lines: string[] = []
  for (let value = 0; value <= up; value += step) {
    lines.push(
      `<path d="M${LEFT} ${y(value).toFixed(1)}H${WIDTH - RIGHT}" stroke="#8884" fill="none"/>`,
      text([LEFT - 6, y(value) + 4], String(Number(value.toFixed(6))), 'text-anchor="end"'),
    )
  }
  const minuteStep = niceStep(across, 6)
  for (let value = 0; value <= across + 1e-9; value += minuteStep)
    lines.push(
      text([x(value), HEIGHT - 10], `${Number(value.toFixed(3))} min`, 'text-anchor="middle"'),
    )
  series.forEach((each, i) => {
    const colour = COLOURS[i % COLOURS.length] ?? '#888'
    const path = each.points.map(([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('L')
    const last = each.points.at(-1)
    if (last === undefined) return
    lines.push(
      `<path d="M${path}" stroke="${colour}" stroke-width="1.5" fill="none"/>`,
      text([WIDTH - RIGHT + 8, y(last[1]) + 4 + i], each.name, `style="fill:${colour}"`),
    )
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    '<style>text{fill:#777}</style>',
    text([LEFT, 18], title, 'font-size="12"'),
    ...lines,
    '</svg>',
    '',
  ].join('\n')
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
