import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DescService } from '@bufbuild/protobuf'
import { permittedPaths, rolesAllowed } from '../../../../src/server/admit/permissions.ts'
import type { Role } from '../../../../src/server/admit/permissions.ts'

const ROLES: readonly Role[] = ['local', 'admin', 'agent', 'downstream', 'anyone']
const GEN = join(import.meta.dirname, '../../../../src/gen')

/** What a server serves, of all that is generated. */
const SERVED = [
  'spire/api/server',
  'spindle/sync',
  'spindle/server',
  'grpc/health',
  'grpc/reflection',
]

async function generatedServices(): Promise<readonly DescService[]> {
  const files = SERVED.flatMap((folder) =>
    readdirSync(join(GEN, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('_pb.js'))
      .map((name) => join(GEN, folder, name)),
  )
  const modules = await Promise.all(files.map((file) => import(file) as Promise<object>))
  return modules
    .flatMap((module) => Object.values(module) as readonly { readonly kind?: string }[])
    .filter((value): value is DescService => value.kind === 'service')
}

/**
 * Who may call what, written out a second time and by the other side: by role, the methods of each service. L local, M local
 * and admin, A agent, D downstream, * anyone, F local, admin and agent.
 */
const EXPECTED = `
M agent.v1.Agent CountAgents ListAgents GetAgent DeleteAgent BanAgent CreateJoinToken
* agent.v1.Agent AttestAgent
A agent.v1.Agent RenewAgent PostStatus
M entry.v1.Entry CountEntries ListEntries GetEntry BatchCreateEntry BatchUpdateEntry BatchDeleteEntry
A entry.v1.Entry GetAuthorizedEntries SyncAuthorizedEntries
M bundle.v1.Bundle CountBundles AppendBundle ListFederatedBundles BatchCreateFederatedBundle BatchUpdateFederatedBundle
M bundle.v1.Bundle BatchSetFederatedBundle BatchDeleteFederatedBundle
* bundle.v1.Bundle GetBundle
F bundle.v1.Bundle GetFederatedBundle
D bundle.v1.Bundle PublishJWTAuthority PublishWITAuthority
M svid.v1.SVID MintX509SVID MintJWTSVID MintWITSVID
A svid.v1.SVID BatchNewX509SVID NewJWTSVID BatchNewWITSVID
D svid.v1.SVID NewDownstreamX509CA
M trustdomain.v1.TrustDomain ListFederationRelationships GetFederationRelationship RefreshBundle
M trustdomain.v1.TrustDomain BatchCreateFederationRelationship BatchUpdateFederationRelationship BatchDeleteFederationRelationship
M localauthority.v1.LocalAuthority GetX509AuthorityState PrepareX509Authority ActivateX509Authority TaintX509Authority
M localauthority.v1.LocalAuthority RevokeX509Authority TaintX509UpstreamAuthority RevokeX509UpstreamAuthority
M localauthority.v1.LocalAuthority GetJWTAuthorityState PrepareJWTAuthority ActivateJWTAuthority TaintJWTAuthority RevokeJWTAuthority
M localauthority.v1.LocalAuthority GetWITAuthorityState PrepareWITAuthority ActivateWITAuthority TaintWITAuthority RevokeWITAuthority
L logger.v1.Logger GetLogger SetLogLevel ResetLogLevel
L debug.v1.Debug GetInfo
L /grpc.health.v1.Health Check Watch
L /grpc.reflection.v1.ServerReflection ServerReflectionInfo
L /grpc.reflection.v1alpha.ServerReflection ServerReflectionInfo
A /spindle.sync.v1.SyncService Sync
M /spindle.server.v1.AuthorityRotation Rotate
L /spindle.server.v1.StoreBackup Backup
`
const LETTERS: Readonly<Record<string, readonly Role[]>> = {
  L: ['local'],
  M: ['local', 'admin'],
  A: ['agent'],
  D: ['downstream'],
  F: ['local', 'admin', 'agent'],
  '*': ['anyone'],
}

const expected: ReadonlyMap<string, readonly Role[]> = new Map(
  EXPECTED.trim()
    .split('\n')
    .flatMap((line) => {
      const [letter = '', service = '', ...methods] = line.split(' ')
      const name = service.startsWith('/') ? service : `/spire.api.server.${service}`
      return methods.map((method) => [`${name}/${method}`, LETTERS[letter] ?? []] as const)
    }),
)

test('rolesAllowed() says of every method of every generated service, and every kind of caller, what SPIRE does', async () => {
  const services = await generatedServices()
  assert(services.length >= 10, 'no services found')
  const paths = services.flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => `/${typeName}/${name}`),
  )
  // Served under its older name too.
  paths.push('/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo')
  assert.deepEqual([...paths].sort(), [...expected.keys()].sort())
  for (const path of paths)
    for (const role of ROLES)
      assert.equal(
        rolesAllowed(path).includes(role),
        expected.get(path)?.includes(role),
        `${role} → ${path}`,
      )
})

test('rolesAllowed() gives nobody a method that is not in the table, nor the table one that is nowhere', () => {
  assert.deepEqual([...permittedPaths()].sort(), [...expected.keys()].sort())
  for (const path of [
    '/spire.api.server.agent.v1.Agent/Nothing',
    '/spire.api.server.agent.v1.Agent/getAgent',
    '/spire.api.server.agent.v1.Agent/constructor',
    '/spire.api.server.agent.v2.Agent/GetAgent',
    '/grpc.reflection.v2.ServerReflection/ServerReflectionInfo',
    '/constructor/toString',
    '',
  ])
    assert.deepEqual(rolesAllowed(path), [], path)
})
