/** What the documentation and the examples say of the server's config is true of the code. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { branches, schemaNode } from '../src/config/schema-node.ts'
import type { SchemaNode } from '../src/config/schema-node.ts'
import { serverReference } from '../src/config/server/reference.ts'
import { serverSchema } from '../src/config/server/schema.ts'
import type {
  AuditCaller,
  Denial,
  Issuance,
  Operation,
  RegistryChange,
} from '../src/server/audit/audit.ts'
import { createAudit } from '../src/server/audit/lines.ts'
import { createManualClock } from './fakes/clock.ts'

/** Every key by its path, as the reference writes it. */
function keys(prefix: string, node: SchemaNode): readonly (readonly [string, SchemaNode])[] {
  const found = branches(node).flatMap((branch) =>
    Object.entries(branch.properties ?? {}).flatMap(([key, child]) =>
      keys(prefix === '' ? key : `${prefix}.${key}`, child),
    ),
  )
  return found.length > 0 ? found : [[prefix, node]]
}

test('serverReference() has a row for every key of the config, with what it means', () => {
  const page = serverReference([])
  const all = keys('', schemaNode(serverSchema))
  assert(all.length > 20, 'no keys found')
  const missing = all.filter(
    ([path, node]) => node.description === undefined || !page.includes(`| \`${path}\` |`),
  )
  assert.deepEqual(
    missing.map(([path]) => path),
    [],
  )
})

test('docs/fleet.md names every field that a line of the audit has, and every kind of line and caller', () => {
  const callers = [
    { kind: 'local', uid: 0, pid: 1 },
    { kind: 'svid', spiffeId: 'spiffe://example.org/a', serial: '1', address: '192.0.2.1' },
    { kind: 'anonymous', address: '192.0.2.1' },
    { kind: 'server' },
  ] as const satisfies readonly AuditCaller[]
  const method = '/a/B'
  const key = 'k'
  const [caller] = callers
  const events = [
    {
      event: 'issued',
      caller,
      method,
      issued: 'x509-svid',
      spiffeId: 's',
      serial: '1',
      authorityId: 'a',
      expiresAt: 1,
      entryId: 'e',
      entryRevision: 1,
    } satisfies Required<Issuance>,
    {
      event: 'changed',
      caller,
      method,
      object: 'entry',
      key,
      action: 'create',
      revision: 1,
    } satisfies Required<RegistryChange>,
    { event: 'operated', caller, method, action: 'backup', key } satisfies Required<Operation>,
    ...[...callers, caller].map(
      (each) =>
        ({
          event: 'denied',
          caller: each,
          method,
          reason: 'role',
          detail: 'd',
        }) satisfies Required<Denial>,
    ),
  ]
  const words = new Set<string>()
  const stream = {
    write(text: string): void {
      const {
        level: _,
        time: __,
        message: ___,
        ...line
      } = JSON.parse(text) as Record<string, unknown>
      const asked = line['caller'] as { readonly kind: string }
      for (const word of [...Object.keys(line), ...Object.keys(asked), asked.kind]) words.add(word)
      words.add(String(line['audit']))
    },
  }
  const audit = createAudit({ format: 'json', stream, clock: createManualClock() })
  for (const event of events) audit.write(event)
  audit.close()
  const page = readFileSync(new URL('../docs/fleet.md', import.meta.url), 'utf8')
  const [, section = ''] = page.split('## What is written down')
  const [text = ''] = section.split('\n## ')
  assert(words.has('times') && words.has('entryRevision') && words.size > 20)
  const named = [...words].filter(
    (word) => !text.includes(`\`${word}\``) && !text.includes(`\`caller.${word}\``),
  )
  assert.deepEqual(named, [])
})
