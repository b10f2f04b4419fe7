import assert from 'node:assert/strict'
import { readAgentConfig } from '../../../src/config/agent-config.ts'
import type { AgentConfig } from '../../../src/config/agent-config.ts'
import { ConfigError } from '../../../src/config/fault.ts'
import type { Fault } from '../../../src/config/fault.ts'

const FILE = '/etc/spindle/agent.yaml'
/** The least a config must say. */
export const LEAST = 'trustDomain: example.org\nentries: { file: entries.yaml }\n'

export function read(text: string): { config: AgentConfig; warnings: readonly Fault[] } {
  return readAgentConfig(text, { file: FILE })
}

export function faultsOf(text: string): readonly Fault[] {
  try {
    read(text)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.equal(error.code, 'config_invalid')
    return error.faults
  }
  return []
}

/** The fault at `path`, and nothing but it. */
export function onlyFault(text: string, path: string): string {
  const faults = faultsOf(text)
  assert.deepEqual(
    faults.map((fault) => fault.path),
    [path],
    JSON.stringify(faults),
  )
  return faults[0]!.message
}
