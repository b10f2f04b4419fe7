import type { z } from 'zod'
import { entrySchema } from './entries.ts'
import { plain } from './fault.ts'
import { agentSchema } from './schema.ts'
import { branches, schemaNode } from './schema-node.ts'
import type { SchemaNode } from './schema-node.ts'

/** An example config and its file name. */
export interface Example {
  readonly name: string
  readonly text: string
}

const INTRO = `# Config reference

<!-- Written by .ci/generate-docs.mjs from src/config/schema.ts: change that file, then run it. -->

The agent's config is one YAML 1.2 document. It is read strictly: an unknown key, a key twice, a key of another \`kind\`, a second
document or a value of the wrong kind is a fault. \`spindle validate\` tells every fault at once, each with its path, what the value is
and what is allowed. Nothing is taken from the environment.

- **duration**: a whole number and one unit, \`30s\`, \`5m\`, \`1h\`, \`7d\`.
- **size**: a whole number and one unit, \`512B\`, \`64KiB\`, \`256MiB\`, \`1GiB\`.
- **path**: absolute, or relative to the folder of the config file.
- **host:port**: an IP address or \`localhost\`; port 0 takes a free one, which the ready line and \`spindle status\` tell.

What rests on more than one key: \`authority.caTtl\` is at least 2 × \`svid.ttl\`; the names in \`sds.names\` differ, and no alias equals
one of them; \`bundles\` does not name the own trust domain; \`admin.socket\` is not in the folder of \`socket\`; both are at most 107
bytes once resolved. With \`authority.kind: server\` there is neither \`entries\` nor \`bundles\`, there is exactly one of
\`trustBundleFile\`, \`trustBundleUrl\` and \`insecure\`, and with a join token exactly one of \`tokenFile\` and \`token\`.
`

const ENTRIES = `# Entries file

The file \`entries.file\` names holds one key, \`entries\`, with a list; \`[]\` is no entry. Their order is their age, first is oldest.
JSON is read too, and much faster: take it from ten thousand entries on. At most 100,000.
Entries in the form that SPIRE's \`entry create -data\` takes (\`spiffe_id\`, \`selectors: [{type, value}]\`, \`x509_svid_ttl\` and \`jwt_svid_ttl\` in
seconds, \`federates_with\`, \`dns_names\`, \`hint\`) are read as they are. \`parent_id\`, \`admin\`, \`downstream\` and the like mean nothing
without a server: they are ignored with a warning. \`entry_expiry\` and \`store_svid\` are faults when set, since an entry
would otherwise be given out longer, or to more callers, than it says.
`

/** The text of docs/config.md. */
export function configReference(examples: readonly Example[]): string {
  const root = schemaNode(agentSchema)
  const sections = Object.entries(root.properties ?? {}).filter(([, node]) => isSection(node))
  const own = Object.entries(root.properties ?? {}).filter(([, node]) => !isSection(node))
  return [
    INTRO,
    '# Top level\n',
    table(own.map(([key, node]) => row(key, node, root))),
    ...sections.flatMap(([key, node]) => section(key, node)),
    ENTRIES,
    table(entryRows(entrySchema)),
    '# Examples\n',
    ...examples.map(({ name, text }) => `\`examples/${name}\`\n\n\`\`\`yaml\n${text}\`\`\`\n`),
  ]
    .join('\n')
    .replaceAll(/^# (?!Config reference)/gm, '## ')
}

export function isSection(node: SchemaNode): boolean {
  return branches(node).some((branch) => branch.properties !== undefined || freeValue(branch))
}

function freeValue(node: SchemaNode): SchemaNode | undefined {
  return typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined
}

export function section(key: string, node: SchemaNode): readonly string[] {
  const parts = [`# \`${key}\`\n`, `${node.description ?? ''}\n`]
  const forms = branches(node).filter(isSection)
  for (const form of forms) {
    const kind = form.properties?.['kind']?.const
    if (kind !== undefined)
      parts.push(`### \`kind: ${plain(kind)}\`\n`, `${form.description ?? ''}\n`)
    parts.push(table(rowsOf(key, form)))
  }
  return parts
}

export function rowsOf(prefix: string, node: SchemaNode): readonly string[] {
  const free = freeValue(node)
  const members: readonly (readonly [string, SchemaNode])[] =
    free === undefined ? Object.entries(node.properties ?? {}) : [[node.keyName ?? '<name>', free]]
  return members.flatMap(([key, child]) => {
    const path = `${prefix}.${key}`
    const value = freeValue(child)
    if (value !== undefined && !isSection(value)) return [row(`${path}.<name>`, child, node)]
    const kinds = branches(child).filter(({ properties }) => properties?.['kind'] !== undefined)
    if (kinds.length > 1) return kindRows(path, child, kinds)
    const rows = isSection(child) ? rowsOf(path, child) : []
    return rows.length > 0 ? rows : [row(path, child, node)]
  })
}

/** A mapping within a section whose keys depend on its `kind`. */
function kindRows(path: string, node: SchemaNode, kinds: readonly SchemaNode[]): readonly string[] {
  const names = kinds.map(({ properties }) => plain(properties?.['kind']?.const))
  const meanings = kinds.map(
    ({ properties }, at) => `\`${names[at]}\`: ${properties?.['kind']?.description}`,
  )
  const kind = { enum: names, description: [node.description, ...meanings].join(' ') }
  return [
    row(`${path}.kind`, kind, { required: ['kind'] }),
    ...kinds.flatMap((branch, at) =>
      Object.entries(branch.properties ?? {})
        .filter(([key]) => key !== 'kind')
        .map(([key, child]) => {
          const description = `With \`${names[at]}\`: ${child.description}`
          return row(`${path}.${key}`, { ...child, description }, branch)
        }),
    ),
  ]
}

function entryRows(schema: z.ZodType): readonly string[] {
  const node = schemaNode(schema)
  return Object.entries(node.properties ?? {}).map(([key, child]) => row(key, child, node))
}

export function table(rows: readonly string[]): string {
  const head = ['| key | type | default | meaning | example |', '|---|---|---|---|---|']
  return `${[...head, ...rows].join('\n')}\n`
}

export function row(path: string, node: SchemaNode, parent: SchemaNode): string {
  const key = path.slice(path.lastIndexOf('.') + 1)
  const required = parent.required?.includes(key) === true
  const cells = [
    `\`${path}\``,
    typeText(node),
    defaultText(node, required),
    node.description ?? '',
    node.example === undefined ? '' : `\`${node.example}\``,
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function typeText(node: SchemaNode): string {
  if (node.const !== undefined) return `\`${plain(node.const)}\``
  if (node.enum !== undefined) return node.enum.map((value) => `\`${plain(value)}\``).join(', ')
  const value = freeValue(node)
  if (value !== undefined) return typeText(value)
  const range = /from (\S+) to (\S+)$/.exec(node.allowed ?? '')
  const type = node.label ?? plain(node.type)
  return range === null ? type : `${type}, ${range[1]} to ${range[2]}`
}

function defaultText(node: SchemaNode, required: boolean): string {
  if (required) return '*required*'
  if (node.defaultText !== undefined) return node.defaultText
  if (node.default === undefined || node.default === '') return ''
  return `\`${typeof node.default === 'object' ? JSON.stringify(node.default) : plain(node.default)}\``
}
