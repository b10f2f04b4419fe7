import type { Io } from '../../../../src/cli/io.ts'
import { run } from '../../../../src/cli/program.ts'
import type { FakeAgent } from '../../../fakes/workload-agent.ts'

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** `spindle workload …` in this process, asking the agent that is named by its environment. */
export async function workload(
  agent: Pick<FakeAgent, 'path'>,
  args: readonly string[],
  io: Partial<Io> = {},
): Promise<Ran> {
  let out = ''
  let err = ''
  const code = await run(['workload', ...args], {
    out: (text) => (out += text),
    err: (text) => (err += text),
    env: { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.path}` },
    onSignal: () => () => undefined,
    ...io,
  })
  return { code, out, err }
}
