import { Option } from 'commander'
import { FORMATS } from './io.ts'

export const DEFAULT_ADMIN_SOCKET = '/run/spindle/admin/admin.sock'
export const DEFAULT_AGENT_SOCKET = '/run/spindle/agent.sock'
export const DEFAULT_ENVOY_ADMIN_PORT = 9901
export const DEFAULT_CONFIG = '/etc/spindle/agent.yaml'

/** Deadline of one question to a running agent. */
export const CALL_DEADLINE_MS = 10_000

export const adminSocketOption = (): Option =>
  new Option('--admin-socket <path>', "the agent's admin socket")
    .default(DEFAULT_ADMIN_SOCKET)
    .env('SPINDLE_ADMIN_SOCKET')

export const agentSocketOption = (): Option =>
  new Option('--socket <path>', "the agent's socket")
    .default(DEFAULT_AGENT_SOCKET)
    .env('SPINDLE_SOCKET')

export const formatOption = (): Option =>
  new Option('-o, --output <format>', 'how to print it').choices([...FORMATS]).default('table')

export const configOption = (): Option =>
  new Option('-c, --config <file>', 'the configuration of the agent')
    .default(DEFAULT_CONFIG)
    .env('SPINDLE_CONFIG')
