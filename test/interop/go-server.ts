/** The program in go-spiffe/ as SPIRE's agent and as SPIRE's tools, at a server: grpc-go, go-spiffe, and messages by SPIRE's names alone. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { bundlePem } from '../e2e/rig/joining.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { write } from '../e2e/rig/rig.ts'
import { ROOT } from '../e2e/rig/root.ts'
import type { FleetServer } from '../e2e/rig/server.ts'
import type { Svid } from './go-spiffe.ts'
import { goPrograms, startProgram } from './program.ts'

/** Who makes a call: the admin socket, nobody, the agent, or the agent by the SVID it had before it renewed. */
export type Caller = 'local' | 'nobody' | 'agent' | 'before'

export interface Question {
  readonly do: 'call' | 'attest' | 'bundle' | 'entries' | 'sign' | 'token' | 'renew'
  readonly as?: Caller
  readonly method?: string
  readonly request?: object
  readonly gzip?: boolean
  readonly token?: string
  readonly ids?: readonly string[]
  readonly audience?: readonly string[]
}

export interface Outcome {
  /** By the names of fields; numbers of 64 bits are text. */
  readonly response: Readonly<Record<string, any>> | null // eslint-disable-line @typescript-eslint/no-explicit-any
  /** The name of a gRPC status. */
  readonly code: string
  readonly message: string
  /** Of PermissionDeniedDetails. */
  readonly reason: string
  readonly svids: readonly Svid[] | null
  /** ID, path and revision of each. */
  readonly entries: readonly string[] | null
  readonly rounds: number
  readonly reattestable: boolean
}

export interface GoNode {
  step(question: Question): Promise<Outcome>
  /** A unary call, by a name such as `entry.v1.Entry/ListEntries`. */
  call(
    as: Caller,
    method: string,
    request?: object,
    options?: Pick<Question, 'gzip'>,
  ): Promise<Outcome>
}

/** OK, or the test fails with what was said. */
export function good(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 'OK', outcome.message)
  return outcome
}

/** undefined, having skipped the test, where there is no Go. */
export async function startGoNode(
  t: TestContext,
  rig: Rig,
  server: FleetServer,
): Promise<GoNode | undefined> {
  const programs = await goPrograms(t, rig, 'node')
  if (programs === undefined) return undefined
  const [descriptors, bundle] = [join(rig.folder, 'spire.binpb'), join(rig.folder, 'go-bundle.pem')]
  const what = ['build', 'proto', '--path', 'proto/spire', '--exclude-source-info']
  const buf = spawnSync('node_modules/.bin/buf', [...what, '-o', descriptors], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (buf.status !== 0) throw new Error(`buf: ${buf.stderr}`)
  write(bundle, await bundlePem(server))
  const args = ['spire', descriptors, server.address, server.adminSocket, bundle]
  const nowhere = { socket: join(rig.folder, 'no-agent.sock') }
  const program = startProgram<object, Outcome, Question>(rig, nowhere, {
    path: programs.node,
    args,
  })
  return {
    step: program.ask,
    call: (as, method, request = {}, options = {}) =>
      program.ask({ do: 'call', as, method: `spire.api.server.${method}`, request, ...options }),
  }
}
