import { isSection, row, section, table } from '../reference.ts'
import type { Example } from '../reference.ts'
import { schemaNode } from '../schema-node.ts'
import { serverSchema } from './schema.ts'

const INTRO = `# Config of spindle server

<!-- Written by .ci/generate-docs.mjs from src/config/server/schema.ts: change that file, then run it. -->

The server's config is one YAML document of its own, read as strictly as [the agent's](config.md): every fault is told at once, with its
path. Durations, paths and addresses are written as there.

What rests on more than one key: \`authority.caTtl\` is at least 2 × \`svid.ttl\` and 2 × \`svid.agentTtl\`; \`admins\` names workloads of the
own trust domain, each once; \`admin.socket\` is at most 107 bytes once resolved. With \`x509pop\` there is exactly one of \`caBundleFile\` and
\`caBundleFiles\`, with its \`mode: spiffe\` none; \`svidPrefix\` goes with \`mode: spiffe\`. \`httpChallenge.tofu: false\` goes with a
\`requiredPort\` below 1024 or with \`allowNonRootPorts: false\`, and that with no other \`requiredPort\`.
`

/** The text of docs/server-config.md. */
export function serverReference(examples: readonly Example[]): string {
  const root = schemaNode(serverSchema)
  const members = Object.entries(root.properties ?? {})
  const own = members.filter(([, node]) => !isSection(node))
  const sections = members.filter(([, node]) => isSection(node))
  return [
    INTRO,
    '# Top level\n',
    table(own.map(([key, node]) => row(key, node, root))),
    ...sections.flatMap(([key, node]) => section(key, node)),
    '# Examples\n',
    ...examples.map(({ name, text }) => `\`examples/${name}\`\n\n\`\`\`yaml\n${text}\`\`\`\n`),
  ]
    .join('\n')
    .replaceAll(/^# (?!Config of spindle server)/gm, '## ')
}
