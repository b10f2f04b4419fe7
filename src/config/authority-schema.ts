import * as z from 'zod'
import type { KeyType } from '../certs/keys.ts'
import { serverLink } from './link/schema.ts'
import { duration, path } from './scalars.ts'

const AUTHORITY_KEYS = ['ec-p256', 'ec-p384', 'rsa-2048', 'rsa-4096'] as const

const signing = {
  keyType: z
    .enum(AUTHORITY_KEYS satisfies readonly KeyType[])
    .default('ec-p256')
    .describe('Kind of the keys the authority makes for itself.'),
  caTtl: duration({ min: '20s', max: '3650d' })
    .prefault('24h')
    .describe(
      'Life of each CA certificate the authority makes; at least 2 × `svid.ttl`. The next one is prepared, published and given time before it signs.',
    )
    .meta({ example: '24h' }),
  jwtKeyType: z
    .enum(AUTHORITY_KEYS satisfies readonly KeyType[])
    .default('ec-p256')
    .describe(
      'Kind of the keys that sign JWT-SVIDs: ES256, ES384 and RS256 (both RSA). They live as long as `caTtl` says, and at least 2 × `svid.jwtTtl`.',
    ),
}

const embedded = z
  .strictObject({
    kind: z
      .literal('embedded')
      .describe('Self-signed CA certificates, made and kept in `stateDir`.'),
    ...signing,
  })
  .describe('The process is its own CA: nothing else is needed.')

const disk = z
  .strictObject({
    kind: z
      .literal('disk')
      .describe(
        "An operator's CA in files, read again when they change: `certFile` and `keyFile`, or `pkcs12File` and `passwordFile`.",
      ),
    certFile: path()
      .optional()
      .describe(
        "PEM of the operator's CA certificate, root or intermediate; the chain up to the root may follow it.",
      )
      .meta({ example: 'ca/intermediate.pem' }),
    keyFile: path()
      .optional()
      .describe('PEM of its private key. A file that others may read is refused.')
      .meta({ example: 'ca/intermediate-key.pem' }),
    pkcs12File: path()
      .optional()
      .describe(
        'PKCS#12 file of the CA: its private key, its certificate, and the chain up to the root in any order.',
      )
      .meta({ example: 'ca/intermediate.p12' }),
    passwordFile: path()
      .optional()
      .describe(
        'Password of `pkcs12File`, in UTF-8; a newline at the end is not part of it. A file that others may read is refused.',
      )
      .meta({ example: 'ca/password' }),
    bundleFile: path()
      .optional()
      .describe('PEM of the trust anchors callers get. Needed unless the CA is itself a root.')
      .meta({ example: 'ca/roots.pem' }),
    ...signing,
  })
  .describe("Intermediates signed by an operator's CA: what is trusted stays the operator's.")

const WHAT = 'What signs X.509-SVIDs, and where its own certificate comes from.'

const nested = z
  .strictObject({
    kind: z
      .literal('server')
      .describe(
        "Another Spindle server, or a SPIRE server, of the same trust domain. It signs this server's CA certificates, has its roots, and is told of its JWT keys.",
      ),
    address: serverLink.address,
    workloadApiSocket: path()
      .describe(
        'Socket of the Workload API of an agent on this host. This server shows the X.509-SVID it has from there, whose entry on the server above says `downstream`.',
      )
      .meta({ example: '/run/spire/agent/public/api.sock' }),
    ...signing,
  })
  .describe('Servers below a server: each signs by itself, and all have the same roots.')

/** The key `authority` of the server's config file. */
export const authoritySchema = z
  .discriminatedUnion('kind', [embedded, disk, nested])
  .prefault({ kind: 'embedded' })
  .describe(WHAT)

const server = z
  .strictObject({
    kind: z
      .literal('server')
      .describe(
        "A Spindle server's, or a SPIRE server's: entries and bundles come from there too, so the keys `entries` and `bundles` have no place beside it.",
      ),
    ...serverLink,
    cache: z
      .enum(['run', 'state', 'off'])
      .default('run')
      .describe(
        'Where what was obtained is kept, sealed, so that an agent that starts again serves at once, server or no server. `run`: identities with their keys in a folder of `cache` beside `socket`, which a reboot empties where that is below /run, and the rest in `stateDir`; `state`: all of it in `stateDir`; `off`: nothing, so that the node attests anew at each start.',
      ),
  })
  .describe('A server has the entries and signs: many agents, one registry, one CA.')

/** The key `authority` of the agent's config file. */
export const agentAuthoritySchema = z
  .discriminatedUnion('kind', [embedded, disk, server])
  .prefault({ kind: 'embedded' })
  .describe(WHAT)
