/**
 * Who may call what: one table of every method there is, as SPIRE's built-in policy has it. What is not in it is denied.
 * spire-behaviour 1.8.
 */

/**
 * What makes a call allowed. A caller may be several of them: `local` came in by the admin socket, `admin` has a SPIFFE ID that
 * the config or an entry calls so, `agent` the SVID of an attested node, `downstream` that of a server with this one above it,
 * and `anyone` is everybody, with or without a certificate.
 */
export type Role = 'local' | 'admin' | 'agent' | 'downstream' | 'anyone'

const OPERATORS = ['local', 'admin'] as const
const LOCAL = ['local'] as const
const AGENT = ['agent'] as const
const DOWNSTREAM = ['downstream'] as const
const ANYONE = ['anyone'] as const

type Methods = Readonly<Record<string, readonly Role[]>>

function operators(...names: readonly string[]): Methods {
  return Object.fromEntries(names.map((name) => [name, OPERATORS]))
}

/** prepare, activate, taint, revoke and state of one kind of authority. */
function authoritySteps(kind: 'X509' | 'JWT' | 'WIT'): Methods {
  const steps = ['Prepare', 'Activate', 'Taint', 'Revoke'].map((step) => `${step}${kind}Authority`)
  return operators(`Get${kind}AuthorityState`, ...steps)
}

/** By service, then by method. */
const SERVICES: Readonly<Record<string, Methods>> = {
  'spire.api.server.agent.v1.Agent': {
    ...operators('CountAgents', 'ListAgents', 'GetAgent', 'DeleteAgent', 'BanAgent'),
    ...operators('CreateJoinToken'),
    AttestAgent: ANYONE,
    RenewAgent: AGENT,
    PostStatus: AGENT,
  },
  'spire.api.server.entry.v1.Entry': {
    ...operators('CountEntries', 'ListEntries', 'GetEntry'),
    ...operators('BatchCreateEntry', 'BatchUpdateEntry', 'BatchDeleteEntry'),
    GetAuthorizedEntries: AGENT,
    SyncAuthorizedEntries: AGENT,
  },
  'spire.api.server.bundle.v1.Bundle': {
    ...operators('CountBundles', 'AppendBundle', 'ListFederatedBundles'),
    ...operators('BatchCreateFederatedBundle', 'BatchUpdateFederatedBundle'),
    ...operators('BatchSetFederatedBundle', 'BatchDeleteFederatedBundle'),
    GetBundle: ANYONE,
    GetFederatedBundle: [...OPERATORS, 'agent'],
    PublishJWTAuthority: DOWNSTREAM,
    PublishWITAuthority: DOWNSTREAM,
  },
  'spire.api.server.svid.v1.SVID': {
    ...operators('MintX509SVID', 'MintJWTSVID', 'MintWITSVID'),
    BatchNewX509SVID: AGENT,
    NewJWTSVID: AGENT,
    BatchNewWITSVID: AGENT,
    NewDownstreamX509CA: DOWNSTREAM,
  },
  'spire.api.server.trustdomain.v1.TrustDomain': {
    ...operators('ListFederationRelationships', 'GetFederationRelationship', 'RefreshBundle'),
    ...operators('BatchCreateFederationRelationship', 'BatchUpdateFederationRelationship'),
    ...operators('BatchDeleteFederationRelationship'),
  },
  'spire.api.server.localauthority.v1.LocalAuthority': {
    ...authoritySteps('X509'),
    ...authoritySteps('JWT'),
    ...authoritySteps('WIT'),
    ...operators('TaintX509UpstreamAuthority', 'RevokeX509UpstreamAuthority'),
  },
  'spire.api.server.logger.v1.Logger': {
    GetLogger: LOCAL,
    SetLogLevel: LOCAL,
    ResetLogLevel: LOCAL,
  },
  'spire.api.server.debug.v1.Debug': { GetInfo: LOCAL },
  'grpc.health.v1.Health': { Check: LOCAL, Watch: LOCAL },
  'grpc.reflection.v1.ServerReflection': { ServerReflectionInfo: LOCAL },
  'grpc.reflection.v1alpha.ServerReflection': { ServerReflectionInfo: LOCAL },
  'spindle.server.v1.AuthorityRotation': { Rotate: OPERATORS },
  'spindle.server.v1.StoreBackup': { Backup: LOCAL },
  'spindle.sync.v1.SyncService': { Sync: AGENT },
}

/** By the path of a call, `/package.Service/Method`. */
const PERMISSIONS: ReadonlyMap<string, readonly Role[]> = new Map(
  Object.entries(SERVICES).flatMap(([service, methods]) =>
    Object.entries(methods).map(([method, roles]) => [`/${service}/${method}`, roles] as const),
  ),
)

/** Which roles may call the method at `path`; none of them where the table has no such method. */
export function rolesAllowed(path: string): readonly Role[] {
  return PERMISSIONS.get(path) ?? []
}

/** Every path of the table. */
export function permittedPaths(): readonly string[] {
  return [...PERMISSIONS.keys()]
}
