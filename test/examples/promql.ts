/** What a PromQL expression reads, as far as the expressions of examples/ go: metrics of the agent or of a server, and the labels of each. */
import { METRICS, PREFIX } from '../../src/telemetry/metrics-table.ts'
import type { MetricMeaning } from '../../src/telemetry/metric-labels.ts'
import { OF_A_SERVER, SERVER_PREFIX } from '../../src/telemetry/server/table.ts'

/** What a scrape adds. */
const SCRAPED = ['instance', 'job']
const SELECTOR = /\b(spindle_(?:agent|server)_\w+|up)\b(?:\{([^}]*)\})?/g
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right) ?\(([^)]*)\)/g
const MATCHER = /^\s*(\w+)\s*(=~|!~|!=|=)\s*"(.*)"\s*$/

type Labels = Readonly<Record<string, readonly string[] | string>>

function seriesOf(metrics: Readonly<Record<string, MetricMeaning>>, prefix: string) {
  return Object.values(metrics).flatMap(({ name, type, labels }) => {
    const full = prefix + name
    if (type !== 'histogram') return [[full, labels] as const]
    const bucket = [`${full}_bucket`, { ...labels, le: 'upper bound' }] as const
    return [bucket, [`${full}_sum`, labels] as const, [`${full}_count`, labels] as const]
  })
}

const known: ReadonlyMap<string, Labels> = new Map<string, Labels>([
  ['up', {}],
  ...seriesOf(METRICS, PREFIX),
  ...seriesOf(OF_A_SERVER, SERVER_PREFIX),
])

export interface Reading {
  /** Without the endings of histograms. */
  readonly metrics: readonly string[]
  /** One line each: a metric that is not there, a label it does not have, a value the label never takes. */
  readonly faults: readonly string[]
}

export function readExpression(expression: string): Reading {
  const metrics: string[] = []
  const faults: string[] = []
  const labelsHere = new Set([...SCRAPED, 'le'])
  for (const [, name = '', matchers = ''] of expression.matchAll(SELECTOR)) {
    const labels = known.get(name)
    if (labels === undefined) {
      faults.push(`${name} is no metric`)
      continue
    }
    metrics.push(name.replace(/_(?:bucket|sum|count)$/, ''))
    for (const label of Object.keys(labels)) labelsHere.add(label)
    for (const matcher of matchers === '' ? [] : matchers.split(','))
      faults.push(...matcherFaults(name, labels, matcher))
  }
  for (const [, list = ''] of expression.matchAll(GROUPING))
    for (const label of list.split(',').map((text) => text.trim()))
      if (!labelsHere.has(label)) faults.push(`${label} is a label of none of its metrics`)
  return { metrics, faults }
}

function matcherFaults(name: string, labels: Labels, matcher: string): readonly string[] {
  const [, label = '', operator = '', text = ''] = MATCHER.exec(matcher) ?? []
  if (SCRAPED.includes(label)) return []
  const values = labels[label]
  if (values === undefined) return [`${name} has no label ${label || matcher}`]
  if (typeof values === 'string') return []
  const named = operator.endsWith('~') ? text.split('|') : [text]
  return named
    .filter((value) => !values.includes(value))
    .map((value) => `${name} never has ${label}="${value}"`)
}
