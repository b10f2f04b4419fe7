/** JWT-SVIDs for go-spiffe: JWTSource, its bundles, and ValidateJWTSVID. */
// JV-12, WT-15 of docs/conformance.md.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { createRig, eventually, write } from '../e2e/rig/rig.ts'
import { createForeignIssuer } from './foreign-tokens.ts'
import type { Token, TokenAnswer } from './go-spiffe.ts'
import { goPrograms, rotateJwtKey, startProgram } from './program.ts'

const WEB = 'spiffe://example.org/web'
const API = 'spiffe://example.org/api'
const PARTNER = 'partner.test'
const audience = ['reports']
const ROTATIONS = 3

const keyIdOf = ({ token }: Token): unknown =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: unknown })
    .kid

test('go-spiffe: JWT-SVIDs are fetched, and validated under the bundles and by the Workload API alike', async (t) => {
  const rig = createRig(t)
  const programs = await goPrograms(t, rig, 'program')
  if (programs === undefined) return
  const [partner, unknown] = [createForeignIssuer(PARTNER), createForeignIssuer('unknown.test')]
  const bundleFile = join(rig.folder, 'partner.json')
  write(bundleFile, partner.bundle)
  const selectors = (): string[] => [`unix:path:${programs.program}`]
  const agent = await rig.agent({
    entries: [
      { spiffeId: API, selectors: selectors(), hint: 'internal' },
      { spiffeId: WEB, selectors: selectors(), default: true, federatesWith: [PARTNER] },
      { spiffeId: 'spiffe://example.org/other', selectors: ['unix:uid:4000000'] },
    ],
    config: { bundles: { [PARTNER]: { file: bundleFile } } },
  })
  const { next, ask } = startProgram<{ readonly ready: boolean }, TokenAnswer>(rig, agent, {
    path: programs.program,
    args: ['tokens'],
  })
  await next('JWTSource', ({ ready }) => ready)

  const [token] = (await ask({ do: 'fetch', audience: ['reports', 'audit'] })).tokens ?? []
  assert.deepEqual([token?.id, token?.audience], [WEB, ['reports', 'audit']])
  for (const way of ['parse', 'validate']) {
    const good = await ask({ do: way, audience, token: token!.token })
    assert.deepEqual([good.error, good.tokens?.[0]?.id], ['', WEB], way)
    const other = await ask({ do: way, audience: ['payments'], token: token!.token })
    assert.notEqual(other.error, '', `${way}: of another audience`)
    const changed = `${token!.token.slice(0, -8)}AAAAAAAA`
    const forged = await ask({ do: way, audience, token: changed })
    assert.notEqual(forged.error, '', `${way}: with another signature`)
    if (way === 'validate')
      assert.deepEqual([other.code, forged.code], ['InvalidArgument', 'InvalidArgument'])
  }

  const all = await ask({ do: 'fetch-all', audience })
  assert.deepEqual(
    all.tokens?.map(({ id, hint }) => [id, hint]),
    [
      [WEB, ''],
      [API, 'internal'],
    ],
  )
  const named = await ask({ do: 'fetch', audience, subject: API })
  assert.equal(named.tokens?.[0]?.id, API)
  const others = await ask({ do: 'fetch', audience, subject: 'spiffe://example.org/other' })
  assert.equal(others.code, 'PermissionDenied')

  for (const way of ['parse', 'validate']) {
    const foreign = await ask({ do: way, audience, token: partner.issue('/billing', 'reports') })
    assert.deepEqual([foreign.error, foreign.tokens?.[0]?.id], ['', `spiffe://${PARTNER}/billing`])
    const stranger = await ask({ do: way, audience, token: unknown.issue('/billing', 'reports') })
    assert.notEqual(stranger.error, '', `${way}: of a trust domain without a bundle`)
  }
  assert.deepEqual((await ask({ do: 'keys', id: PARTNER })).keys, [`${PARTNER}-1`])
})

test(`go-spiffe: a JWTSource knows each next key before it signs, and the one before after it, ${ROTATIONS} times`, async (t) => {
  const rig = createRig(t)
  const programs = await goPrograms(t, rig, 'program')
  if (programs === undefined) return
  const agent = await rig.agent({
    entries: [{ spiffeId: WEB, selectors: [`unix:path:${programs.program}`] }],
  })
  const { next, ask } = startProgram<{ readonly ready: boolean }, TokenAnswer>(rig, agent, {
    path: programs.program,
    args: ['tokens'],
  })
  await next('JWTSource', ({ ready }) => ready)
  let asked = 0
  /** Of an audience that nothing is cached for. */
  const fetchNew = async (): Promise<Token> => {
    const { tokens, error } = await ask({ do: 'fetch', audience: [...audience, `a${asked++}`] })
    assert.equal(error, '')
    return tokens![0]!
  }
  const issued = [await fetchNew()]
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    const active = keyIdOf(issued.at(-1)!)
    const { prepared, ...still } = await rotateJwtKey(agent, false)
    assert.equal(still.active, active)
    assert.notEqual(prepared, active)
    await eventually('the next key in the bundle', async () =>
      (await ask({ do: 'keys', id: 'example.org' })).keys?.includes(prepared),
    )
    const before = await fetchNew()
    assert.equal(keyIdOf(before), active, 'it is known before it signs')
    assert.equal((await rotateJwtKey(agent, true)).active, prepared)
    const after = await fetchNew()
    assert.equal(keyIdOf(after), prepared)
    issued.push(before, after)
    for (const way of ['parse', 'validate'])
      for (const { token } of issued)
        assert.equal((await ask({ do: way, audience, token })).error, '', way)
  }
  assert.equal(new Set(issued.map(keyIdOf)).size, 1 + ROTATIONS)
})
