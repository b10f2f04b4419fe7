/** Every command of SPIRE's server, and every flag of each, is one of ours, so that scripts move over (spire-behaviour 1.3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { withoutSpireFlags } from '../../../../src/cli/server/spire-flags.ts'
import { optionsOf, silentProgram } from '../../../docs/commands.ts'

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

test("every command of SPIRE's server is there with all of its flags", () => {
  const program = silentProgram()
  const missing = Object.entries(SPIRE).flatMap(([name, flags]) => {
    const command = find(program, name.split(' '))
    if (command === undefined) return [name]
    const own = optionsOf(command)
    return ['socketPath', 'output', ...flags.split(' ').filter((flag) => flag !== '')]
      .flatMap((flag) => withoutSpireFlags([...name.split(' '), `-${flag}`]).slice(-1))
      .filter((flag) => !own.includes(flag))
      .map((flag) => `${name} ${flag}`)
  })
  assert.deepEqual(missing, [])
})
