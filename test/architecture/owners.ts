/* Who alone may import what, and why: the other half of layers.ts. */

export interface Owner {
  /** The import, exactly or as the beginning before a `/`. */
  readonly name: string
  readonly folders: readonly string[]
  readonly reason: string
}

export const OWNERS: readonly Owner[] = [
  {
    name: '@peculiar/x509',
    folders: ['certs'],
    reason: 'its dates, serials and algorithms come from globals: only certs keeps it in check',
  },
  {
    name: 'node-forge',
    folders: ['certs'],
    reason: 'its checks of signatures have been wrong before: it opens PKCS#12 files, nothing else',
  },
  {
    name: 'jose',
    folders: ['jwt'],
    reason: 'its defaults accept more than SPIFFE does: only jwt calls it, with every check named',
  },
  { name: 'reflect-metadata', folders: ['certs'], reason: 'only @peculiar/x509 needs it' },
  { name: 'koffi', folders: ['os'], reason: 'only os touches the kernel' },
  { name: 'node:fs', folders: ['os'], reason: 'only os touches files' },
  { name: 'node:child_process', folders: ['os'], reason: 'only os starts processes' },
  {
    name: 'node:net',
    folders: ['os', 'wire', 'agent/accept', 'server/admit', 'http', 'config', 'cli'],
    reason:
      'sockets are opened by os and accepted by accept and admit (http, config and cli ask isIP)',
  },
  {
    name: 'node:tls',
    folders: ['wire', 'server/admit', 'cli'],
    reason:
      'TLS begins where connections do: who is at the other end is decided by our own rules (the demo shows a listener no certificate)',
  },
  {
    name: '@grpc/grpc-js',
    folders: ['wire', 'agent/serve', 'agent', 'server/publish', 'server/serve', 'workload'],
    reason: 'gRPC ends at wire and at the services that serve holds',
  },
  {
    name: '@bufbuild/protobuf',
    folders: [
      'xds',
      'wire',
      'wire/spire',
      'agent/obtain',
      'agent/serve',
      'agent',
      'server/admit',
      'server/issue',
      'server/publish',
      'server/serve',
      'workload',
      'cli',
      'gen',
    ],
    reason: 'messages are encoded where they are sent',
  },
  {
    name: 'kysely',
    folders: ['store'],
    reason: 'what is asked of a database is a method of the store, and alike on both engines',
  },
  {
    name: 'node:sqlite',
    folders: ['store'],
    reason: 'its calls hold the event loop: only store knows how long',
  },
  { name: 'pg', folders: ['store'], reason: 'store gives each call of it a deadline' },
  { name: 'fastify', folders: ['http'], reason: 'only http serves HTTP' },
  {
    name: 'prom-client',
    folders: ['telemetry', 'agent'],
    reason: 'every metric is in the table of telemetry (agent.ts makes the registry)',
  },
  { name: 'uplot', folders: ['page'], reason: 'only the page draws' },
  { name: 'pino', folders: ['telemetry'], reason: 'every line of log goes through its redaction' },
  { name: 'zod', folders: ['config'], reason: 'input is checked once, at the edge' },
  { name: 'yaml', folders: ['config', 'cli'], reason: 'config reads YAML, `-o yaml` writes it' },
  { name: 'commander', folders: ['cli'], reason: 'only cli reads arguments' },
]
