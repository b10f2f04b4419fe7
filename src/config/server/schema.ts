import * as z from 'zod'
import { authoritySchema } from '../authority-schema.ts'
import { duration, listenAddress, path, spiffeId, trustDomain } from '../scalars.ts'
import { agentSchema } from '../schema.ts'
import { nodeAttestors } from './node-attestors.ts'

/*
 * The server's config file, key by key. docs/server-config.md is written from this file (`node .ci/generate-docs.mjs`), and a
 * fault of a config is worded from it: change a key here and both follow.
 */

const svid = z
  .strictObject({
    ttl: duration({ min: '10s', max: '1825d' })
      .prefault('1h')
      .describe('Life of an X.509-SVID unless its entry says otherwise.')
      .meta({ example: '1h' }),
    jwtTtl: duration({ min: '10s', max: '1d' })
      .prefault('5m')
      .describe(
        'Life of a JWT-SVID unless its entry says otherwise, never beyond the key that signs. It cannot be taken back, so keep it short.',
      )
      .meta({ example: '5m' }),
    agentTtl: duration({ min: '10s', max: '1825d' })
      .optional()
      .describe(
        'Life of the X.509-SVID of an agent. As long as this an agent that was cut off comes back without attesting anew.',
      )
      .meta({ example: '12h', defaultText: 'that of `svid.ttl`' }),
  })
  .prefault({})
  .describe('The SVIDs that are issued.')

const rateLimit = z
  .strictObject({
    attestation: z
      .boolean()
      .prefault(true)
      .describe('One node attestation a second; the others wait in line.')
      .meta({ example: 'true' }),
    signing: z
      .boolean()
      .prefault(true)
      .describe('500 signatures a second, of each kind of call.')
      .meta({ example: 'true' }),
  })
  .prefault({})
  .describe('Whether calls that cost the server most are limited, for each address they come from.')

const pruneAgents = z
  .strictObject({
    expiredFor: duration({ min: '1h', max: '3650d' })
      .describe('How long ago the X.509-SVID of an agent has expired when the agent is forgotten.')
      .meta({ example: '30d' }),
    tofu: z
      .boolean()
      .prefault(false)
      .describe(
        'Also those that could attest once only: whoever has their join token or name may then attest as new.',
      )
      .meta({ example: 'false' }),
  })
  .optional()
  .describe('Forgets agents that are gone for good; banned ones stay. Unset: none is forgotten.')

const store = z
  .discriminatedUnion('kind', [
    z
      .strictObject({
        kind: z.literal('sqlite').describe('A SQLite database of this server alone.'),
        file: path()
          .optional()
          .describe('The database; in a folder that only this server may write.')
          .meta({
            example: '/var/lib/spindle-server/registry.db',
            defaultText: '`registry.db` in `stateDir`',
          }),
      })
      .describe('The embedded database: nothing else is needed.'),
    z
      .strictObject({
        kind: z
          .literal('postgres')
          .describe('A PostgreSQL database that several servers may share: `url` or `urlFile`.'),
        url: z
          .string()
          .min(1)
          .max(4096)
          .optional()
          .describe(
            'The database, as `postgres://user@db.example.org:5432/spindle`. `sslmode` (`disable`, `require`, `verify-full`) and `sslrootcert` may follow; a URL with a password belongs in `urlFile`.',
          )
          .meta({ label: 'URL', example: 'postgres://spindle@db.example.org:5432/spindle' }),
        urlFile: path()
          .optional()
          .describe('A file that holds such a URL and that others may not read.')
          .meta({ example: '/etc/spindle/database-url' }),
      })
      .describe('For several servers behind one address.'),
  ])
  .prefault({ kind: 'sqlite' })
  .describe(
    'Where entries, agents, join tokens, bundles and the journal of authorities are kept. No key ever is.',
  )

export const serverSchema = z.strictObject({
  trustDomain: trustDomain()
    .describe('The trust domain this server issues identities of.')
    .meta({ example: 'example.org' }),
  listen: listenAddress()
    .prefault('127.0.0.1:8081')
    .describe(
      'Where agents, and admins with an X.509-SVID, call: TLS 1.2 or later over TCP. `0.0.0.0:8081` is every address of the host.',
    )
    .meta({ example: '0.0.0.0:8081' }),
  admin: z
    .strictObject({
      socket: path()
        .prefault('/run/spindle-server/admin/server.sock')
        .describe(
          "Unix socket of operators on this host: for root and the server's own uid. At most 107 bytes once resolved, in a folder (0700) that only they may write.",
        )
        .meta({ example: '/run/spindle-server/admin/server.sock' }),
    })
    .prefault({})
    .describe("The operators' own way in."),
  admins: z
    .array(spiffeId())
    .max(1000)
    .prefault([])
    .meta({
      label: 'list of SPIFFE IDs',
      allowed: 'a list of SPIFFE IDs',
      example: '["spiffe://example.org/ops"]',
    })
    .describe(
      'Workloads of the own trust domain that may do over TCP what operators do, beside those whose entry says `admin`.',
    ),
  http: z
    .union([
      z.literal(false),
      z.strictObject({
        listen: listenAddress()
          .prefault('127.0.0.1:9989')
          .describe('Address of `/metrics`, `/live` and `/ready`. They hold no key material.')
          .meta({ example: '127.0.0.1:9989' }),
      }),
    ])
    .prefault({})
    .meta({ allowed: 'false, or a mapping with listen' })
    .describe('Metrics and health over HTTP; `http: false` switches them off.'),
  stateDir: path()
    .prefault('/var/lib/spindle-server')
    .describe("Folder of this server's CA and JWT keys (0700). They are never in the store.")
    .meta({ example: '/var/lib/spindle-server' }),
  store,
  authority: authoritySchema,
  svid,
  nodeAttestors,
  pruneAgents,
  rateLimit,
  log: agentSchema.shape.log,
})

/** The file after units are read and defaults filled in; paths still as written. */
export type ServerFile = z.output<typeof serverSchema>
