/** A server in this process, and `spindle …` as an operator types it beside it. */
import type { TestContext } from 'node:test'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import { writeCsr } from '../../../../src/certs/csr/write.ts'
import { generateKey } from '../../../../src/certs/keys.ts'
import { run } from '../../../../src/cli/program.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { createSecureClient } from '../../../../src/wire/secure-client.ts'
import { runServer } from '../../../fakes/running-server.ts'
import type { RunningServer } from '../../../fakes/running-server.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface Operator {
  /** Of this test alone. */
  readonly folder: string
  readonly socket: string
  /** A command as it stands in a shell without quotes, or as a list of words; `input` is its standard input. */
  spindle(line: string | readonly string[], input?: string): Promise<Ran>
  /** What a command prints that must do well. */
  out(line: string | readonly string[], input?: string): Promise<string>
  /** Attests an agent by a token. Resolves to its SPIFFE ID. */
  attest(): Promise<string>
}

export async function startOperator(t: TestContext): Promise<Operator> {
  const more = 'nodeAttestors: { joinToken: {} }'
  const { folder, server, address } = await runServer(t, { more })
  const socket = server.addresses.adminSocket
  const operator: Operator = {
    folder,
    socket,
    spindle: (line, input) => {
      const args = typeof line === 'string' ? line.split(' ') : line
      return command([...args, '--server-socket', socket], input)
    },
    async out(line, input) {
      const { code, out, err } = await operator.spindle(line, input)
      if (code !== 0 || err !== '') throw new Error(`${code}: ${err}${out}`)
      return out
    },
    async attest() {
      const token = (await operator.out('token generate')).trim().replace('Token: ', '')
      await attest(address, token)
      return `spiffe://example.org/spire/agent/join_token/${token}`
    },
  }
  return operator
}

export async function command(args: readonly string[], input?: string): Promise<Ran> {
  let out = ''
  let err = ''
  const code = await run(args, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    env: {},
    onSignal: () => () => undefined,
    ...(input !== undefined && { input: () => Promise.resolve(input) }),
  })
  return { code, out, err }
}

async function attest(address: RunningServer['address'], token: string): Promise<void> {
  const client = createSecureClient({
    ...address,
    serverName: 'example.org',
    roots: undefined,
    verify: () => undefined,
    clock: systemClock,
    keepaliveMs: 300_000,
  })
  try {
    const csr = await writeCsr(await generateKey('ec-p256'))
    const call = client.bidi(Agent.method.attestAgent, { deadlineMs: 10_000 })
    const data = { type: 'join_token', payload: Buffer.from(token) }
    call.send({ step: { case: 'params', value: { data, params: { csr } } } })
    call.end()
    for await (const { step } of call.messages) if (step.case === 'result') return
    throw new Error('the server ended the attestation')
  } finally {
    client.close()
  }
}

/** What is another in each run, as words: instants, entry ids, tokens, and ids of authorities. */
export function masked(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/g, 'INSTANT')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'INSTANT')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID')
    .replaceAll(/\b[0-9a-f]{40}\b/g, 'KEY')
    .replaceAll(/^( {2}Authority ID: )[\w-]{43}$/gm, '$1KID')
    .replaceAll(/^(Serial number {5}: )\d+$/gm, '$1SERIAL')
}
