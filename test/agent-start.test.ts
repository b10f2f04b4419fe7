/** What an agent loads when it starts: each module before the socket is there is time that its Envoys wait. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { importsOf } from './architecture/rules.ts'

const SRC = join(import.meta.dirname, '../src')

/** Of a file below src/, what is loaded with it: types are not, and what is imported when it is needed is not. */
function loadedWith(file: string): ReturnType<typeof importsOf> {
  const text = readFileSync(join(SRC, file), 'utf8').replaceAll(/\bimport\(/g, '(')
  const typesAlone = new Set(text.match(/^(?:import|export) type\b[^'";]*?\bfrom\s*'[^']+'/gm))
  const code = [...typesAlone].reduce((rest, one) => rest.replace(one, ''), text)
  return importsOf(file, code)
}

/** Everything that is loaded with a file, each with the way that leads to it. */
function closure(start: string): ReadonlyMap<string, string> {
  const ways = new Map([[start, start]])
  for (const [file, way] of ways) {
    if (!file.endsWith('.ts')) continue
    for (const { from, target } of loadedWith(file)) {
      const next = target ?? from
      if (!ways.has(next)) ways.set(next, `${way} → ${next}`)
    }
  }
  return ways
}

test('spindle agent loads no protocol of a server, and nothing of what an agent with one has, before it needs it', () => {
  const ways = closure('cli/run-agent.ts')
  assert.ok(ways.has('agent/agent.ts') && ways.has('#spindle/admin/v1/admin_pb.js'))
  const server =
    /^(?:#spire\/|#spindle\/sync\/|server\/|store\/|agent\/obtain\/(?:server|remote|cache)\/)/
  const breaches = [...ways].filter(([name]) => server.test(name)).map(([, way]) => way)
  assert.deepEqual(breaches, [], 'import these where an authority of kind server is opened')
})
