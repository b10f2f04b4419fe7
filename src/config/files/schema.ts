import * as z from 'zod'
import { duration, endpoint, log, path, spiffeId, trustDomain } from '../scalars.ts'

/*
 * The config of `spindle files`, key by key. docs/files-config.md is written from this file (`node .ci/generate-docs.mjs`),
 * and a fault of a config is worded from it.
 */

/** Of the signals that make a server read its files again, or end it so that what watches over it starts it anew. */
const SIGNALS = [
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
] as const satisfies readonly NodeJS.Signals[]

/** In quotes: YAML reads a bare 0644 as the number 644. */
function mode(bits: RegExp, allowed: string) {
  return z
    .string()
    .regex(bits)
    .transform((text) => Number.parseInt(text, 8))
    .meta({ label: 'mode', allowed })
}

const publicMode = () =>
  mode(/^0[46][04][04]$/, 'octal digits in quotes that let nobody but the owner write, as "0644"')
const secretMode = () =>
  mode(/^0[46][04]0$/, 'octal digits in quotes that let others do nothing, as "0600" or "0640"')

const account = (kind: 'user' | 'group') =>
  z
    .union([z.string().regex(/^[^\s:/]{1,256}$/), z.int().min(0).max(4_294_967_294)])
    .optional()
    .meta({
      label: 'name or number',
      allowed: `the name of a ${kind} in /etc/${kind === 'user' ? 'passwd' : 'group'}, or its number`,
      defaultText: 'that of the process',
      example: kind === 'user' ? 'postgres' : 'ssl-cert',
    })

const owner = account('user').describe(
  'Whose the files are; another than that of the process itself takes root (CAP_CHOWN).',
)
const group = account('group').describe('Their group.')

const file = (meaning: string, example: string) =>
  path().optional().describe(meaning).meta({ example })

const x509 = z
  .strictObject({
    spiffeId: spiffeId()
      .optional()
      .describe("Which of the caller's identities; unset: the default one, or that of `hint`.")
      .meta({ example: 'spiffe://example.org/web', defaultText: 'the default identity' }),
    hint: z
      .string()
      .min(1)
      .max(1024)
      .optional()
      .describe('The same by its hint.')
      .meta({ allowed: 'a hint of an identity', example: 'internal' }),
    folder: path()
      .optional()
      .describe(
        'A folder whose files all change in one instant, as Kubernetes does it; the files below are then names in it. Nothing else belongs there.',
      )
      .meta({ example: '/etc/nginx/svid' }),
    certFile: file('The X.509-SVID: PEM, leaf first.', 'tls/cert.pem'),
    keyFile: file('Its private key: PEM, PKCS#8.', 'tls/key.pem'),
    bundleFile: file("PEM of its trust domain's CAs: what peers are verified by.", 'tls/ca.pem'),
    combinedFile: file('Private key and X.509-SVID in one file, as HAProxy wants.', 'tls/all.pem'),
    includeFederated: z
      .boolean()
      .default(false)
      .describe(
        'Whether `bundleFile` holds the CAs of federated trust domains too. A program that does not tell them apart then lets each of them name workloads of all.',
      ),
    federatedFolder: file(
      'A folder of its own, swapped as `folder` is, with the CAs of each federated trust domain in `TRUST-DOMAIN.pem`.',
      'tls/federated',
    ),
    certMode: publicMode()
      .prefault('0644')
      .describe('Mode of certificates and bundles.')
      .meta({ example: '"0444"', defaultText: '`"0644"`' }),
    keyMode: secretMode()
      .prefault('0600')
      .describe('Mode of `keyFile` and `combinedFile`; others never read them.')
      .meta({ example: '"0640"', defaultText: '`"0600"`' }),
    owner,
    group,
  })
  .describe('Files of one X.509-SVID.')

const jwt = z
  .strictObject({
    audience: z
      .array(z.string().min(1).meta({ allowed: 'an audience' }))
      .min(1)
      .max(100)
      .describe('Whom the JWT-SVID is for.')
      .meta({ label: 'list of audiences', allowed: 'a list of audiences', example: '[vault]' }),
    spiffeId: spiffeId()
      .optional()
      .describe("Which of the caller's identities.")
      .meta({ example: 'spiffe://example.org/web', defaultText: 'the default identity' }),
    file: path()
      .describe('The token and nothing else. Renewed around half of its life.')
      .meta({ example: 'vault.jwt' }),
    mode: secretMode()
      .prefault('0600')
      .describe('Mode of the file: who reads it can be this workload.')
      .meta({ example: '"0640"', defaultText: '`"0600"`' }),
    owner,
    group,
  })
  .describe('The file of one JWT-SVID.')

const jwtBundle = z
  .strictObject({
    trustDomain: trustDomain()
      .describe('Whose JWT-SVIDs it verifies: the own trust domain or a federated one.')
      .meta({ example: 'example.org' }),
    file: path()
      .describe('A JWK Set (RFC 7517), as JWT libraries read it.')
      .meta({ example: 'jwks.json' }),
    mode: publicMode()
      .prefault('0644')
      .describe('Mode of the file.')
      .meta({ example: '"0444"', defaultText: '`"0644"`' }),
    owner,
    group,
  })
  .describe('The file of one JWT bundle.')

const list = <T extends z.ZodObject>(item: T, what: string) =>
  z.array(item).max(100).prefault([]).meta({ allowed: what })

const after = z
  .strictObject({
    command: z
      .array(z.string().refine((text) => !text.includes('\0')))
      .min(1)
      .max(100)
      .refine((words) => words[0]?.startsWith('/') === true)
      .optional()
      .describe(
        'A program with its arguments, run without a shell; its output goes to the log. The path of the program is absolute.',
      )
      .meta({
        label: 'list of words',
        allowed: 'a list of words, the first of them the absolute path of a program',
        example: '[/usr/sbin/nginx, -s, reload]',
      }),
    signal: z
      .strictObject({
        name: z.enum(SIGNALS).default('SIGHUP').describe('Which signal.'),
        pidFile: path()
          .describe(
            'File whose first line is the number of the process; read each time. It must belong to root, to the user of `spindle files`, or to the user of that process.',
          )
          .meta({ example: '/run/nginx.pid' }),
      })
      .optional()
      .describe('A signal to a process.'),
    deadline: duration({ min: '1s', max: '1h' })
      .prefault('30s')
      .describe('How long the command may run before it is ended, with all it started.')
      .meta({ example: '30s' }),
    debounce: duration({ min: '0s', max: '10m' })
      .prefault('1s')
      .describe('How long further changes are waited for, to be told together.')
      .meta({ example: '1s' }),
  })
  .optional()
  .describe('What is done when the content of a file has changed: `command` or `signal`.')

export const filesSchema = z.strictObject({
  socket: endpoint()
    .optional()
    .describe("Workload API of the agent, Spindle's or another's.")
    .meta({
      example: 'unix:///run/spindle/agent.sock',
      defaultText: '`SPIFFE_ENDPOINT_SOCKET`, else `unix:///run/spindle/agent.sock`',
    }),
  x509: list(x509, 'a list of mappings, one for each X.509-SVID').describe('X.509-SVIDs.'),
  jwt: list(jwt, 'a list of mappings, one for each JWT-SVID').describe('JWT-SVIDs.'),
  jwtBundles: list(jwtBundle, 'a list of mappings, one for each trust domain').describe(
    'Keys that verify JWT-SVIDs.',
  ),
  sharedFolders: z
    .boolean()
    .default(false)
    .describe(
      'Whether files may go to folders that others own or may write, as an `emptyDir` of Kubernetes is: whoever may write there can put other files in their place.',
    ),
  after,
  log,
})

/** The file after units are read and defaults filled in; paths still as written. */
export type FilesFile = z.output<typeof filesSchema>
