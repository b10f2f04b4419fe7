import * as z from 'zod'
import { hostAndPort, path, wholeNumber } from '../scalars.ts'

/* How a server is found, trusted, and told who calls: of an agent with a server, and of whatever else stands below one. */

const attest = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('join-token').describe('A join token, made on the server and good for once.'),
      tokenFile: path()
        .optional()
        .describe(
          'File that holds the token. It is read when the node attests, so a new one can be put there.',
        )
        .meta({ example: '/etc/spindle/join-token' }),
      token: z
        .string()
        .regex(/^[\x21-\x7e]{1,4096}$/)
        .optional()
        .meta({ label: 'text', allowed: 'a token: 1 to 4096 printable ASCII characters' })
        .describe('The token itself, where who may read this file may also be this node.'),
    }),
    z.strictObject({
      kind: z
        .literal('x509pop')
        .describe('A certificate the node has from elsewhere, whose key it shows to have.'),
      certFile: path()
        .describe('PEM of the certificate; intermediates may follow it.')
        .meta({ example: '/etc/spindle/node.pem' }),
      keyFile: path()
        .describe('PEM of its private key.')
        .meta({ example: '/etc/spindle/node-key.pem' }),
      intermediatesFile: path()
        .optional()
        .describe("PEM of the certificates between it and one of the server's `caBundleFile`."),
    }),
    z.strictObject({
      kind: z
        .literal('http-challenge')
        .describe('A host name at which the server finds what it asked for.'),
      hostname: z
        .string()
        .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/)
        .optional()
        .meta({
          label: 'host name',
          allowed: 'a DNS name',
          example: 'node1.example.org',
          defaultText: "the host's name",
        })
        .describe('The name by which the server reaches this host.'),
      agentName: z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,64}$/)
        .prefault('default')
        .meta({ label: 'name', allowed: '1 to 64 characters of A-Z a-z 0-9 _ -' })
        .describe('Tells agents of one host name apart; part of the path that the server gets.'),
      port: wholeNumber({ min: 0, max: 65_535 })
        .prefault(0)
        .describe(
          'Port that is listened on, on every address, while the node attests. 0 takes a free one.',
        )
        .meta({ example: '80' }),
      advertisedPort: wholeNumber({ min: 1, max: 65_535 })
        .optional()
        .describe('Port the server is told to call, where something forwards it.')
        .meta({ defaultText: 'that of `port`' }),
    }),
  ])
  .describe('How this node proves who it is.')

/** The keys beside `kind` of what names a server. */
export const serverLink = {
  address: hostAndPort()
    .describe("The server's host name or IP address, and the port agents call.")
    .meta({ example: 'server.example.org:8081' }),
  trustBundleFile: path()
    .optional()
    .describe(
      'The authorities the server is known by, for the first call: PEM certificates or a SPIFFE bundle (JWKS).',
    )
    .meta({ example: '/etc/spindle/bundle.pem' }),
  trustBundleUrl: z
    .string()
    .refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:')
    .optional()
    .describe(
      "The same from an HTTPS address whose certificate the system's CAs vouch for, where a file cannot be brought.",
    )
    .meta({
      label: 'URL',
      allowed: 'an https:// URL',
      example: 'https://spiffe.example.org/bundle.json',
    }),
  insecure: z
    .literal(true)
    .optional()
    .meta({ label: '`true`', allowed: 'true, or left out' })
    .describe(
      'Trusts the server as it is first seen, and from then on nothing else. Until its authorities have changed, `/ready` and a metric say `unverified`.',
    ),
  attest,
}
