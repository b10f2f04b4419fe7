/** An authority is rotated at one of several servers on one PostgreSQL database, with agents at each of them. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { AuthorityKind, AuthorityRotation, RotateStep } from '#spindle/server/v1/rotation_pb.js'
import type { RotateProgress } from '#spindle/server/v1/rotation_pb.js'
import { Bundle } from '#spire/api/server/bundle/v1/bundle_pb.js'
import type { ServerLink } from '../../src/agent/obtain/server/link.ts'
import { messageOf } from '../../src/runtime/errors.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { until } from '../fakes/until.ts'
import { openLink, runServer } from './server-links.ts'
import type { OperatedServer } from './server-links.ts'
import { sharedPostgres } from './stores.ts'

const IN_TIME = { deadlineMs: 20_000 }

async function servers(t: TestContext): Promise<readonly OperatedServer[] | undefined> {
  const postgres = await sharedPostgres(t)
  if (postgres === undefined) return undefined
  const { host, database, user } = await postgres.database()
  const url = `postgres://${user}@/${database}?host=${host}`
  const more = `store: { kind: postgres, url: '${url}' }`
  return [await runServer(t, { more }), await runServer(t, { more })]
}

async function joined(t: TestContext, { address, operator }: OperatedServer): Promise<ServerLink> {
  const file = join(temporaryFolder(t), 'bundle.pem')
  writeFileSync(file, await operator.bundlePem())
  const attest = { kind: 'join-token', token: await operator.token() } as const
  const { link } = await openLink(t, { config: { address, trust: { kind: 'file', file }, attest } })
  await until(link.state, ({ fault, protocol }) => fault === undefined && protocol === 'sync')
  return link
}

interface Rotation {
  readonly said: RotateProgress[]
  readonly ended: Promise<unknown>
  /** The first word of it that is so. */
  says(what: string, isSo: (progress: RotateProgress) => boolean): Promise<RotateProgress>
}

function rotate({ operator }: OperatedServer, more: { waitSeconds?: number } = {}): Rotation {
  const said: RotateProgress[] = []
  let wake = (): void => undefined
  const run = async (): Promise<void> => {
    const { signal } = new AbortController()
    const request = { kind: AuthorityKind.X509, ...more }
    const call = operator.client.stream(AuthorityRotation.method.rotate, request, { signal })
    for await (const progress of call) {
      said.push(progress)
      wake()
    }
  }
  const ended = run()
  ended.catch(() => undefined).finally(() => wake())
  return {
    said,
    ended,
    async says(what, isSo) {
      const late = AbortSignal.timeout(60_000)
      late.addEventListener('abort', () => wake())
      for (;;) {
        const found = said.find(isSo)
        if (found !== undefined) return found
        assert(!late.aborted, `${what}: it says ${JSON.stringify(said.at(-1))}`)
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}

test('an authority is rotated when the agents of another server are ready too', async (t) => {
  const [here, there] = (await servers(t)) ?? []
  if (here === undefined || there === undefined) return
  await joined(t, here)
  const other = await joined(t, there)
  const otherId = other.state.current.agentId ?? ''
  const trusted = async (): Promise<number> =>
    (await here.operator.client.call(Bundle.method.getBundle, {}, IN_TIME)).x509Authorities.length

  const first = rotate(here)
  const begun = await first.says('it sees both', ({ connectedAgents }) => connectedAgents === 2)
  assert.deepEqual([begun.awayAgents, begun.away], [0, []])
  const { oldAuthorityIds: old } = await first.says(
    'it is to end one',
    ({ step }) => step === RotateStep.TAINT,
  )
  await first.ended
  assert.equal(first.said.at(-1)?.step, RotateStep.DONE)
  assert.equal(old.length, 1)
  assert.equal(await trusted(), 2)

  // It came from here a moment ago, and holds what was signed here.
  const [{ newAuthorityId: signer } = { newAuthorityId: '' }] = first.said.slice(-1)
  other.holds(() => ({ x509: [signer], jwt: [] }))
  const second = rotate(here)
  const waiting = await second.says(
    'it waits for the one of the other server',
    ({ step, behind, readyAgents }) =>
      step === RotateStep.REVOKE && readyAgents === 1 && behind.join() === otherId,
  )
  assert.deepEqual([waiting.oldAuthorityIds, waiting.connectedAgents], [[signer], 2])
  assert.equal(await trusted(), 3)
  other.holds(() => ({ x509: [], jwt: [] }))
  await second.ended
  assert.equal(await trusted(), 2)
})

test('an agent whose server stops is away for the others at once', async (t) => {
  const [here, there] = (await servers(t)) ?? []
  if (here === undefined || there === undefined) return
  const other = await joined(t, there)
  const sees = rotate(here, { waitSeconds: 300 })
  await sees.says(
    'it sees the one of the other server',
    ({ connectedAgents }) => connectedAgents === 1,
  )
  await sees.ended
  await there.server.stop()
  await until(other.state, ({ fault }) => fault !== undefined)
  const alone = rotate(here, { waitSeconds: 1 })
  const said = await alone.ended.then(String, messageOf)
  assert.match(said, /waits for 1 agent not connected to any server: /)
  assert.deepEqual(alone.said.at(-1)?.away, [other.state.current.agentId])
})
