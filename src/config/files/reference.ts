import { isSection, row, rowsOf, table } from '../reference.ts'
import { schemaNode } from '../schema-node.ts'
import type { SchemaNode } from '../schema-node.ts'
import { filesSchema } from './schema.ts'

const INTRO = `# Config of spindle files

<!-- Written by .ci/generate-docs.mjs from src/config/files/schema.ts: change that file, then run it. -->

What \`spindle files\` does is told in [files](files.md), with examples. Its config is one YAML document of its own, read as
strictly as [the agent's](config.md); \`spindle files --check\` tells every fault at once. Durations and paths are written as there.

What rests on more than one key: something is to be written; \`certFile\` and \`keyFile\` go together; \`spiffeId\` and \`hint\` exclude each other,
as \`command\` and \`signal\` do; no two keys name the same place, and a folder that is swapped has nothing else in it.
`

/** The text of docs/files-config.md. */
export function filesReference(): string {
  const root = schemaNode(filesSchema)
  const members = Object.entries(root.properties ?? {})
  const own = members.filter(([, node]) => !isSection(node) && itemOf(node) === undefined)
  return [
    INTRO,
    '## Top level\n',
    table(own.map(([key, node]) => row(key, node, root))),
    ...members.flatMap(([key, node]) => section(key, node)),
  ].join('\n')
}

function section(key: string, node: SchemaNode): readonly string[] {
  const item = itemOf(node)
  if (item === undefined && !isSection(node)) return []
  const meaning = `${item?.description ?? node.description ?? ''}\n`
  const path = item === undefined ? key : `${key}[]`
  return [`## \`${key}\`\n`, meaning, table(rowsOf(path, item ?? node))]
}

/** What a list is a list of, where that is a mapping. */
function itemOf(node: SchemaNode): SchemaNode | undefined {
  return node.items?.properties === undefined ? undefined : node.items
}
