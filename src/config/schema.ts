import * as z from 'zod'
import type { KeyType } from '../certs/keys.ts'
import { agentAuthoritySchema } from './authority-schema.ts'
import * as scalars from './scalars.ts'
import {
  duration,
  log,
  path,
  secretName,
  size,
  spiffeId,
  trustDomain,
  wholeNumber,
} from './scalars.ts'

/*
 * The agent's config file, key by key. docs/config.md is written from this file (`node .ci/generate-docs.mjs`), and a
 * fault of a config is worded from it: change a key here and both follow.
 */

const SVID_KEYS = ['ec-p256', 'ec-p384', 'rsa-2048'] as const satisfies readonly KeyType[]

const svid = z
  .strictObject({
    ttl: duration({ min: '10s', max: '1825d' })
      .prefault('1h')
      .describe(
        'Life of an X.509-SVID unless its entry says otherwise. It is renewed around half of it; below 1m a warning is given. With a server it is the server that says.',
      )
      .meta({ example: '1h' }),
    keyType: z
      .enum(SVID_KEYS)
      .default('ec-p256')
      .describe('Kind of the keys made for identities. RSA keys take far longer to make.'),
    jwtTtl: duration({ min: '10s', max: '1d' })
      .prefault('5m')
      .describe(
        'Life of a JWT-SVID unless its entry says otherwise, never beyond the key that signs. It cannot be taken back, so keep it short.',
      )
      .meta({ example: '5m' }),
  })
  .prefault({})
  .describe('The SVIDs that are issued.')

const sds = z
  .strictObject({
    names: z
      .strictObject({
        svid: secretName().prefault('default').describe("The caller's default X.509-SVID."),
        bundle: secretName().prefault('ROOTCA').describe('The bundle of the own trust domain.'),
        allBundles: secretName()
          .prefault('ALL')
          .describe(
            "The own bundle and those of each trust domain the caller's entries federate with.",
          ),
      })
      .prefault({})
      .describe(
        "Reserved secret names, beside SPIFFE IDs, trust domain IDs and hints: SPIRE's and Istio's.",
      ),
    aliases: z
      .record(secretName(), spiffeId())
      .prefault({})
      .describe(
        'Further secret names, each for the SPIFFE ID of a workload (its X.509-SVID) or of a trust domain (its bundle). A caller gets no more by an alias than by the SPIFFE ID itself.',
      )
      .meta({ example: '{ web-cert: "spiffe://example.org/web" }' }),
    unauthorized: z
      .enum(['wait', 'close'])
      .default('wait')
      .describe(
        'What a name the caller may not have yet means: `wait` holds it open and pushes the secret once it is granted, `close` ends the stream as SPIRE does.',
      ),
    validator: z
      .enum(['spiffe', 'trusted-ca'])
      .default('spiffe')
      .describe(
        "Form of validation contexts: Envoy's SPIFFE validator with the roots of each trust domain apart, or one list of CAs. An Envoy that sets `disable_spiffe_cert_validation` in its node metadata gets the latter.",
      ),
    ackDeadline: duration({ min: '1s', max: '10m' })
      .prefault('10s')
      .describe(
        'After this long an answer that was not acknowledged no longer holds back the next one.',
      )
      .meta({ example: '10s' }),
    requireSecurityHeader: z
      .boolean()
      .default(false)
      .describe(
        'Whether SDS too demands the metadata that the Workload API always does, `workload.spiffe.io` with the value `true`. An Envoy sends it by `initial_metadata`.',
      ),
  })
  .prefault({})
  .describe('The Secret Discovery Service.')

const workload = z
  .strictObject({
    unregisteredBundles: z
      .boolean()
      .default(false)
      .describe(
        "Whether callers without an entry may read the own trust domain's bundles, over the Workload API and SDS alike (SPIRE's `allow_unauthenticated_verifiers`).",
      ),
    foreignJwtClaims: z
      .array(z.string().min(1).meta({ allowed: 'the name of a claim' }))
      .max(100)
      .prefault([])
      .meta({
        label: 'list of claims',
        allowed: 'a list of names of claims',
        example: '[groups]',
      })
      .describe(
        'Claims beside sub, aud and exp that ValidateJWTSVID passes on from tokens of other trust domains.',
      ),
  })
  .prefault({})
  .describe('The SPIFFE Workload API, on the same socket.')

export const agentSchema = z.strictObject({
  trustDomain: trustDomain()
    .describe('The trust domain this agent serves; each entry is in it.')
    .meta({ example: 'example.org' }),
  socket: path()
    .prefault('/run/spindle/agent.sock')
    .describe(
      'Unix socket of SDS and the Workload API, open to every local user: the kernel says who calls. At most 107 bytes once resolved, in a folder only root or the agent may write.',
    )
    .meta({ example: '/run/spindle/agent.sock' }),
  admin: z
    .strictObject({
      socket: path()
        .prefault('/run/spindle/admin/admin.sock')
        .describe(
          "Unix socket of the operators' commands, in a folder other than that of `socket`.",
        )
        .meta({ example: '/run/spindle/admin/admin.sock' }),
      allow: z
        .array(wholeNumber({ min: 0, max: 4_294_967_294 }))
        .max(1000)
        .prefault([])
        .meta({
          label: 'list of uids',
          allowed: 'a list of numeric user IDs',
          example: '[1001]',
        })
        .describe("Uids that may use it beside root and the agent's own."),
    })
    .prefault({})
    .describe("The operators' own way in."),
  http: z
    .union([
      z.literal(false),
      z.strictObject({
        listen: scalars
          .listenAddress()
          .prefault('127.0.0.1:9988')
          .describe(
            'Address of `/metrics`, `/live` and `/ready`. They hold SPIFFE IDs and no key material.',
          )
          .meta({ example: '127.0.0.1:9988' }),
        page: z
          .boolean()
          .optional()
          .describe(
            'Whether the status page is served there too: sidecars, entries and their selectors, CAs, a timeline; no key material, and no login. Unset: on a loopback address alone, where every local user can read it.',
          )
          .meta({ example: 'true', defaultText: '`true` on loopback, else `false`' }),
      }),
    ])
    .prefault({})
    .meta({ allowed: 'false, or a mapping with listen and page' })
    .describe('Metrics, health and the status page over HTTP; `http: false` switches them off.'),
  stateDir: path()
    .prefault('/var/lib/spindle')
    .describe("Folder of the authority's keys and certificates (0700).")
    .meta({ example: '/var/lib/spindle' }),
  authority: agentAuthoritySchema,
  svid,
  entries: z
    .strictObject({
      file: path()
        .describe(
          "Entries in YAML, or SPIRE's `entry create -data` JSON. Watched: a bad edit keeps the last good one and says so in log, metrics and status.",
        )
        .meta({ example: 'entries.yaml' }),
    })
    .optional()
    .describe('Who may be what. Needed, but with a server, which has them.'),
  bundles: z
    .record(
      z.string(),
      z.strictObject({
        file: path()
          .describe('A SPIFFE bundle (JWKS) or PEM certificates. Watched.')
          .meta({ example: 'partner.json' }),
      }),
    )
    .prefault({})
    .meta({ keyName: '<trust domain>' })
    .describe(
      'Bundles of other trust domains, by trust domain name. With a server they come from there.',
    ),
  attestors: z
    .strictObject({
      unix: z
        .strictObject({
          path: z.boolean().default(true).describe('Whether `unix:path` selectors are looked up.'),
          sha256: z
            .boolean()
            .default(true)
            .describe(
              'Whether `unix:sha256` selectors are looked up; hashed only when an entry asks.',
            ),
          sha256MaxBytes: size({ min: '1B', max: '16GiB' })
            .prefault('256MiB')
            .describe('Executables above this size are not hashed.')
            .meta({ example: '256MiB' }),
        })
        .prefault({})
        .describe('What the kernel and /proc say of the calling process.'),
    })
    .prefault({})
    .describe('Where selectors come from.'),
  attestation: z
    .strictObject({
      pidfd: z
        .enum(['required', 'preferred'])
        .default('required')
        .describe(
          '`preferred` lets the agent run on kernels below 6.5, where a reused process ID can only be told by its start time; log, metrics and health say so.',
        ),
      period: duration({ min: '1s', max: '1d' })
        .prefault('60s')
        .describe('How often a caller is attested again while its streams live.')
        .meta({ example: '60s' }),
    })
    .prefault({})
    .describe('How callers are known.'),
  sds,
  workload,
  limits: z
    .strictObject({
      connectionsPerUid: wholeNumber({ min: 1, max: 1_000_000 })
        .optional()
        .describe(
          'Connections one uid may hold. Unset: half of the file descriptors the agent may open.',
        )
        .meta({ example: '2000', defaultText: 'half of the descriptors' }),
      streamsPerConnection: wholeNumber({ min: 1, max: 1_000_000 })
        .prefault(4096)
        .describe('Streams on one connection. An Envoy opens one for each secret.'),
      namesPerStream: wholeNumber({ min: 1, max: 100_000 })
        .prefault(256)
        .describe('Secret names one stream may ask for.'),
    })
    .prefault({})
    .describe('What one caller may take up. Beyond it: RESOURCE_EXHAUSTED for that caller alone.'),
  log,
})

/** The file after units are read and defaults filled in; paths still as written. */
export type AgentFile = z.output<typeof agentSchema>
