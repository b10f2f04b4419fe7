/** Every command of SPIRE's server, and every flag of each, is one of ours, so that scripts move over (spire-behaviour 1.3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { withoutSpireFlags } from '../../../../src/cli/server/spire-flags.ts'
import { optionsOf, silentProgram } from '../../../docs/commands.ts'
import { command as ran } from './setting.ts'

const FIELDS =
  'admin data disableX509SVIDPrefetch dns downstream entryExpiry entryID federatesWith hint jwtSVIDIncludeJTI jwtSVIDTTL ' +
  'parentID selector spiffeID storeSVID x509SVIDTTL'
const FILTER =
  'downstream federatesWith matchFederatesWithOn matchSelectorsOn parentID selector spiffeID hint'
const AGENTS = 'selector canReattest banned expiresBefore attestationType matchSelectorsOn'

const SPIRE: Readonly<Record<string, string>> = {
  'token generate': 'spiffeID ttl',
  'entry create': `${FIELDS} node`,
  'entry update': FIELDS,
  'entry count': FILTER,
  'entry show': `${FILTER} entryID`,
  'entry delete': 'entryID file',
  'bundle count': '',
  'bundle show': 'format',
  'bundle list': 'format id',
  'bundle set': 'format id path',
  'bundle delete': 'id mode',
  'agent ban': 'spiffeID',
  'agent evict': 'spiffeID',
  'agent show': 'spiffeID',
  'agent count': AGENTS,
  'agent list': AGENTS,
  'agent purge': 'expiredFor dryRun',
  'x509 mint': 'spiffeID dns ttl write',
  'jwt mint': 'spiffeID audience ttl write',
  ...Object.fromEntries(
    ['x509', 'jwt'].flatMap((kind) => [
      [`localauthority ${kind} show`, ''],
      [`localauthority ${kind} prepare`, ''],
      [`localauthority ${kind} activate`, 'authorityID'],
      [`localauthority ${kind} taint`, 'authorityID'],
      [`localauthority ${kind} revoke`, 'authorityID'],
    ]),
  ),
  'upstreamauthority taint': 'subjectKeyID',
  'upstreamauthority revoke': 'subjectKeyID',
  'debug getinfo': '',
  healthcheck: 'shallow verbose',
  'logger get': '',
  'logger set': 'level',
  'logger reset': '',
}

function find(program: Command, words: readonly string[]): Command | undefined {
  return words.reduce<Command | undefined>(
    (command, word) => command?.commands.find((one) => one.name() === word),
    program,
  )
}

/** Of its agent, by our names. */
const OF_AGENT: Readonly<Record<string, string>> = {
  'workload x509': 'silent timeout write',
  'workload jwt': 'audience spiffeID timeout',
  'workload validate': 'audience svid timeout',
  'workload watch': '',
}

test("every command of SPIRE's server and agent is there with all of its flags", () => {
  const program = silentProgram()
  const missing = Object.entries({ ...SPIRE, ...OF_AGENT }).flatMap(([name, flags]) => {
    const command = find(program, name.split(' '))
    if (command === undefined) return [name]
    const own = optionsOf(command)
    return ['socketPath', 'instance', 'output', ...flags.split(' ').filter((flag) => flag !== '')]
      .flatMap((flag) => withoutSpireFlags([...name.split(' '), `-${flag}`]).slice(-1))
      .filter((flag) => !own.includes(flag))
      .map((flag) => `${name} ${flag}`)
  })
  assert.deepEqual(missing, [])
})

test("a command of SPIRE's that is not there, or has another name, is told as that", async () => {
  const said = async (line: string): Promise<readonly unknown[]> => {
    const { code, out, err } = await ran(line.split(' '))
    return [code, out, err.split('\n')[0]?.replace(/;.*|, .*/, '')]
  }
  assert.deepEqual(await said('federation create -trustDomain x'), [
    1,
    '',
    'spindle: federation is not offered yet',
  ])
  assert.deepEqual(await said('wit mint -spiffeID x'), [
    1,
    '',
    'spindle: WIT-SVIDs are not offered',
  ])
  assert.deepEqual(await said('run -config x'), [
    2,
    '',
    'spindle: `spire-server run` is `spindle server` here',
  ])
  assert.deepEqual(await said('api fetch x509 -write d'), [
    2,
    '',
    'spindle: `api fetch x509` is `spindle workload x509` here',
  ])
})
