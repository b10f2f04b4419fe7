/*
 * The layers of src/ as tables: DESIGN's parts 2 and 3. A row's reason is what a breach of it is answered with; whoever
 * changes a row changes the reason too.
 */

export interface Layer {
  /** Folders of src/ whose files may be imported, beside its own and runtime. */
  readonly may: readonly string[]
  readonly reason: string
  /** Of node: only `buffer` and crypto's `hash`; no clock, randomness, timer, file or process. */
  readonly pure?: true
}

const STAGE = 'a stage imports only stages before it: accept → attest → match → obtain → serve'
const SERVER_STAGE =
  'a stage imports only stages before it: admit → enroll → issue → publish → serve'

export const LAYERS: Readonly<Record<string, Layer>> = {
  runtime: {
    may: [],
    reason: 'runtime is what every folder stands on: it knows nothing of identities',
  },
  spiffe: {
    may: [],
    pure: true,
    reason: "spiffe holds the standard's rules as functions of their input and nothing else",
  },
  registration: {
    may: ['spiffe'],
    pure: true,
    reason: 'registration decides who matches from selectors and entries alone',
  },
  xds: {
    may: ['spiffe', 'registration', 'gen'],
    pure: true,
    reason:
      'xds is step functions on plain values, so that model tests can run histories through it',
  },
  certs: {
    may: ['spiffe'],
    reason: 'certs writes and reads X.509 and knows neither authorities nor callers',
  },
  jwt: {
    may: ['spiffe', 'certs'],
    reason: 'jwt signs and verifies JWT-SVIDs; whose they are is decided in front of it',
  },
  authority: {
    may: ['spiffe', 'certs', 'jwt', 'os', 'telemetry'],
    reason: 'an authority signs what it is asked to; who may ask is decided in front of it',
  },
  os: {
    may: [],
    reason: 'os says what kernel and files say; what it means is decided by its callers',
  },
  telemetry: {
    may: [],
    reason: 'everything may report to telemetry, so telemetry may know of nothing',
  },
  store: {
    may: ['spiffe', 'registration', 'os', 'telemetry'],
    reason: 'store keeps values and tells of changes; what they mean is decided by the server',
  },
  http: {
    may: ['telemetry'],
    reason: 'http shows metrics, health and the page that are handed to it',
  },
  page: {
    may: ['http', 'telemetry'],
    reason: 'page runs in the browser: of the agent it knows the types of what /api answers with',
  },
  wire: {
    may: ['gen', 'telemetry'],
    reason: "wire is glue between gRPC and any service; it knows none but gRPC's own",
  },
  'wire/spire': {
    may: ['spiffe', 'registration', 'certs', 'jwt', 'wire', 'gen'],
    reason:
      "wire/spire holds the messages of SPIRE's API as plain values, for both of their ends: it knows neither registry nor agent",
  },
  workload: {
    may: ['spiffe', 'certs', 'jwt', 'wire', 'gen'],
    reason:
      'workload is a client of the standard Workload API, of any agent: it knows nothing of ours',
  },
  files: {
    may: ['workload', 'spiffe', 'certs', 'config', 'os', 'telemetry'],
    reason: 'files keeps what workload hears of on disk; it is a program beside the agent',
  },
  bootstrap: {
    may: [],
    pure: true,
    reason:
      "bootstrap knows Envoy's configuration as text and as values; who reads, checks or runs one is decided elsewhere",
  },
  config: {
    may: ['spiffe', 'registration', 'certs'],
    reason: 'config turns text into checked values before anything runs (of certs: types of keys)',
  },
  'agent/accept': { may: ['os', 'wire', 'telemetry'], reason: STAGE },
  'agent/attest': { may: ['agent/accept', 'registration', 'os', 'telemetry'], reason: STAGE },
  'agent/match': {
    may: ['agent/accept', 'agent/attest', 'registration', 'spiffe', 'os', 'telemetry'],
    reason: STAGE,
  },
  'agent/obtain': {
    may: [
      'agent/accept',
      'agent/attest',
      'agent/match',
      'authority',
      'certs',
      'config',
      'http',
      'jwt',
      'registration',
      'spiffe',
      'os',
      'wire',
      'wire/spire',
      'gen',
      'telemetry',
    ],
    reason: `${STAGE} (obtain reads entries and opens the authority as config describes them; one kind of node attestation is answered over HTTP)`,
  },
  'agent/serve': {
    may: [
      'agent/accept',
      'agent/attest',
      'agent/match',
      'agent/obtain',
      'authority',
      'certs',
      'jwt',
      'registration',
      'spiffe',
      'xds',
      'wire',
      'gen',
      'telemetry',
    ],
    reason: `${STAGE}; serve answers from what the stages hold and touches neither kernel nor files`,
  },
  agent: {
    may: [
      'agent/accept',
      'agent/attest',
      'agent/match',
      'agent/obtain',
      'agent/serve',
      'authority',
      'certs',
      'config',
      'gen',
      'http',
      'os',
      'registration',
      'spiffe',
      'telemetry',
      'wire',
      'xds',
    ],
    reason: 'agent.ts composes the stages; it is the one place that knows all of them',
  },
  'server/audit': {
    may: ['telemetry'],
    reason: 'every stage writes its lines of audit, so audit knows no stage',
  },
  'server/admit': {
    may: ['agent/accept', 'certs', 'spiffe', 'os', 'wire', 'gen', 'server/audit', 'telemetry'],
    reason: `${SERVER_STAGE} (accept knows nothing of agents: a local socket is the same socket here)`,
  },
  'server/enroll': {
    may: [
      'server/admit',
      'server/audit',
      'certs',
      'config',
      'registration',
      'spiffe',
      'store',
      'os',
      'wire',
      'telemetry',
    ],
    reason: `${SERVER_STAGE} (enroll keeps the registry and judges the proofs of nodes)`,
  },
  'server/issue': {
    may: [
      'server/admit',
      'server/audit',
      'server/enroll',
      'authority',
      'certs',
      'config',
      'jwt',
      'registration',
      'spiffe',
      'store',
      'os',
      'wire',
      'workload',
      'gen',
      'telemetry',
    ],
    reason: `${SERVER_STAGE} (issue opens the authority as config describes it, which may be another server's, to whom it shows its SVID of the Workload API)`,
  },
  'server/publish': {
    may: [
      'server/admit',
      'server/audit',
      'server/enroll',
      'server/issue',
      'authority',
      'registration',
      'spiffe',
      'store',
      'wire',
      'wire/spire',
      'gen',
      'telemetry',
    ],
    reason: `${SERVER_STAGE} (publish tells agents what has changed)`,
  },
  'server/serve': {
    may: [
      'server/admit',
      'server/audit',
      'server/enroll',
      'server/issue',
      'server/publish',
      'authority',
      'certs',
      'jwt',
      'registration',
      'spiffe',
      'store',
      'wire',
      'wire/spire',
      'gen',
      'telemetry',
    ],
    reason: `${SERVER_STAGE}; serve answers from what the stages hold and touches neither kernel nor files`,
  },
  server: {
    may: [
      'server/admit',
      'server/audit',
      'server/enroll',
      'server/issue',
      'server/publish',
      'server/serve',
      'agent/accept',
      'authority',
      'config',
      'gen',
      'http',
      'os',
      'registration',
      'spiffe',
      'store',
      'telemetry',
      'wire',
    ],
    reason: 'server.ts composes the stages; it is the one place that knows all of them',
  },
  cli: {
    may: [
      'agent',
      'authority',
      'bootstrap',
      'certs',
      'config',
      'files',
      'gen',
      'os',
      'registration',
      'server',
      'spiffe',
      'store',
      'telemetry',
      'wire',
      'wire/spire',
      'workload',
      'xds',
    ],
    reason:
      'a command starts the agent, asks a running one or checks files; it reaches into no stage',
  },
  main: { may: ['cli'], reason: 'main.ts holds argv, env, signals and exit; the rest is in cli' },
}
