/** S10: whatever is in the agent's files, they are read, or every fault of them is told; never a key of theirs. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { readAgentConfig } from '../../src/config/agent-config.ts'
import { readEntries } from '../../src/config/entries.ts'
import { ConfigError } from '../../src/config/fault.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { ROOT } from '../e2e/rig/root.ts'
import { atScale } from '../faults/scale.ts'
import type { Draw } from './draw.ts'
import { createDraw, drawSeed, mutate } from './draw.ts'
import { createInputs } from './outcome.ts'
import type { Value } from './values.ts'
import { mutateValue } from './values.ts'

const FILES = atScale(1_500, 15_000)
const KEY = 'MIGHAgEAMBMGByqGSM49'

const folder = join(ROOT, 'examples')
const examples = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
const textsOf = (entries: boolean): readonly string[] =>
  examples
    .filter((name) => name.startsWith('entries') === entries)
    .map((name) => readFileSync(join(folder, name), 'utf8'))

/** What only the text of YAML can say. */
const PIECES = [
  '&a ',
  '*a',
  '<<: *a',
  '!!binary ',
  '!!js/function ',
  '? ',
  '%YAML 9.9\n',
  '---\n',
  '\t',
  '|\n',
  '{',
  '[',
  '# ',
  '\u0085',
  '\ufeff',
] as const

function changedText(draw: Draw, text: string, other: string): string {
  const [own, others] = [parse(text) as Value, parse(other) as Value]
  const kind = draw.int(10)
  if (kind < 4)
    return stringify(mutateValue(draw, own, others), { aliasDuplicateObjects: draw.chance(0.5) })
  if (kind < 6) return JSON.stringify(mutateValue(draw, own, others))
  if (kind < 8) return mutate(draw, Buffer.from(text), Buffer.from(other)).toString()
  const place = draw.int(text.length)
  return text.slice(0, place) + draw.pick(PIECES) + text.slice(place)
}

for (const [what, read] of [
  ['configurations', (text: string) => readAgentConfig(text, { file: '/etc/spindle/agent.yaml' })],
  [
    'entries',
    (text: string) =>
      readEntries(text, {
        file: 'entries.yaml',
        trustDomain: 'example.org' as TrustDomain,
        bundles: ['partner.test' as TrustDomain],
      }),
  ],
] as const)
  test(`S10: ${FILES / 2} changed ${what}`, (t) => {
    const draw = createDraw(drawSeed(t))
    const inputs = createInputs()
    const texts = textsOf(what === 'entries') as readonly [string, ...string[]]
    for (let count = 0; count < FILES / 2; count++) {
      const text = changedText(draw, draw.pick(texts), draw.pick(texts))
      inputs.try(text, () => {
        try {
          return read(text)
        } catch (thrown) {
          assert(thrown instanceof ConfigError && thrown.faults.length > 0, String(thrown))
          assert(!thrown.message.includes(KEY), 'a fault quotes a key')
          throw thrown
        }
      })
    }
    assert.equal('polluted' in {}, false)
    inputs.report(t, { accepted: FILES / 50, refused: FILES / 10 })
  })
