/** What a PromQL expression reads, as far as the expressions of examples/ go: metrics of the agent and the labels of each. */
import { METRICS, PREFIX } from '../../src/telemetry/metrics-table.ts'
import type { MetricMeaning } from '../../src/telemetry/metric-labels.ts'

/** What a scrape adds. */
const SCRAPED = ['instance', 'job']
const SELECTOR = /\b(spindle_agent_\w+|up)\b(?:\{([^}]*)\})?/g
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right) ?\(([^)]*)\)/g
const MATCHER = /^\s*(\w+)\s*(?:=~|!~|!=|=)\s*"(.*)"\s*$/

type Known = ReadonlyMap<string, Readonly<Record<string, readonly string[] | string>>>

const known: Known = new Map<string, Readonly<Record<string, readonly string[] | string>>>([
  ['up', {}],
  ...Object.values<MetricMeaning>(METRICS).flatMap(({ name, type, labels }) => {
    const full = PREFIX + name
    if (type !== 'histogram') return [[full, labels] as const]
    const bucket = [`${full}_bucket`, { ...labels, le: 'upper bound' }] as const
    return [bucket, [`${full}_sum`, labels] as const, [`${full}_count`, labels] as const]
  }),
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

function matcherFaults(
  name: string,
  labels: Readonly<Record<string, readonly string[] | string>>,
  matcher: string,
): readonly string[] {
  const [, label = '', value = ''] = MATCHER.exec(matcher) ?? []
  if (SCRAPED.includes(label)) return []
  const values = labels[label]
  if (values === undefined) return [`${name} has no label ${label || matcher}`]
  if (typeof values === 'string' || values.includes(value)) return []
  return [`${name} never has ${label}="${value}"`]
}
