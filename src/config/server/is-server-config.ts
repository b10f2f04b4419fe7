import type * as z from 'zod'
import { agentSchema } from '../schema.ts'
import { branches, isMapping, schemaNode } from '../schema-node.ts'
import { readYaml } from '../text/source-text.ts'
import { serverSchema } from './schema.ts'

/** Whether a configuration is rather a server's than an agent's, by the keys that only one of them has. */
export function isServerConfig(text: string): boolean {
  const { value } = readYaml(text)
  if (!isMapping(value)) return false
  const [server, agent] = [keysOf(serverSchema), keysOf(agentSchema)]
  const found = Object.keys(value)
  const count = (own: ReadonlySet<string>, other: ReadonlySet<string>): number =>
    found.filter((key) => own.has(key) && !other.has(key)).length
  return count(server, agent) > count(agent, server)
}

function keysOf(schema: z.ZodType): ReadonlySet<string> {
  return new Set(
    branches(schemaNode(schema)).flatMap(({ properties }) => Object.keys(properties ?? {})),
  )
}
