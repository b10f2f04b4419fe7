import * as z from 'zod'
import { messageOf } from '../../runtime/errors.ts'
import { parsePathTemplate } from '../../spiffe/path-template.ts'
import type { Loose } from '../checks.ts'
import { path, wholeNumber } from '../scalars.ts'
import { isMapping } from '../schema-node.ts'
import type { PathFault } from '../text/source-text.ts'
import { parsePattern } from './pattern.ts'

/* How nodes prove who they are: the keys of `nodeAttestors`, what holds between them, and what they come to. */

/** What `agentPathTemplate` may name. */
export const AGENT_PATH_FIELDS = [
  'PluginName',
  'TrustDomain',
  'Fingerprint',
  'SerialNumberHex',
  'Subject.CommonName',
  'SVIDPathTrimmed',
  'URISanSelectors.',
] as const

/** What `parse` has against a text. */
function faultOf(parse: (text: string) => unknown) {
  return (text: string, context: z.RefinementCtx): void => {
    try {
      parse(text)
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: messageOf(thrown) })
    }
  }
}

const template = z
  .string()
  .superRefine(faultOf((text) => parsePathTemplate(text, AGENT_PATH_FIELDS)))
  .meta({
    label: 'path template',
    allowed: 'a path with plain fields, such as /{{ .PluginName }}/{{ .Fingerprint }}',
  })

const x509pop = z
  .strictObject({
    mode: z
      .enum(['external-pki', 'spiffe'])
      .prefault('external-pki')
      .describe(
        '`external-pki`: certificates of the CAs in `caBundleFile` or `caBundleFiles`. `spiffe`: X.509-SVIDs of the own trust domain, exchanged for those of agents.',
      )
      .meta({ example: 'external-pki' }),
    caBundleFile: path()
      .optional()
      .describe('PEM of the CAs whose certificates nodes prove to hold the key of. Watched.')
      .meta({ example: 'node-cas.pem' }),
    caBundleFiles: z
      .array(path())
      .min(1)
      .max(100)
      .optional()
      .describe('The same in several files.')
      .meta({
        label: 'list of paths',
        allowed: 'a list of 1 to 100 paths',
        example: '[old-cas.pem, new-cas.pem]',
      }),
    svidPrefix: z
      .string()
      .regex(/^(?:\/[A-Za-z0-9._-]+)*\/?$/)
      .optional()
      .describe(
        'With `mode: spiffe`: what the path of an X.509-SVID that is exchanged begins with. The rest of it is `.SVIDPathTrimmed`.',
      )
      .meta({
        label: 'path of a SPIFFE ID',
        allowed: "a path of a SPIFFE ID, or '' for any",
        example: '/spire-exchange',
        defaultText: '`/spire-exchange`',
      }),
    agentPathTemplate: template
      .optional()
      .describe(
        'The path of an agent below `/spire/agent`. Its fields: `.PluginName`, `.TrustDomain`, `.Fingerprint`, `.SerialNumberHex`, `.Subject.CommonName`, `.SVIDPathTrimmed`, `.URISanSelectors.<key>`.',
      )
      .meta({
        example: "'/{{ .PluginName }}/{{ .Subject.CommonName }}'",
        defaultText:
          '`/{{ .PluginName }}/{{ .Fingerprint }}`, with `mode: spiffe` `/{{ .PluginName }}/{{ .SVIDPathTrimmed }}`',
      }),
    maxIntermediates: wholeNumber({ min: 0, max: 15 })
      .prefault(4)
      .describe('Most certificates between that of a node and its root.')
      .meta({ example: '4' }),
    maxRsaBits: wholeNumber({ min: 2048, max: 16_384 })
      .prefault(8192)
      .describe('Longest RSA key in any of them.')
      .meta({ example: '8192' }),
    verifyClientIp: z
      .boolean()
      .prefault(false)
      .describe("Whether a node's certificate must name the IP address that it calls from.")
      .meta({ example: 'false' }),
  })
  .describe('X.509 certificates that nodes have from elsewhere, as SPIRE has it.')

const httpChallenge = z
  .strictObject({
    allowedDnsPatterns: z
      .array(
        z
          .string()
          .max(1_000)
          .superRefine(faultOf(parsePattern))
          .meta({ label: 'regular expression', allowed: 'a regular expression' }),
      )
      .min(1)
      .max(100)
      .optional()
      .describe(
        'Regular expressions; the host name of a node must match one of them as a whole. The server calls each name that does.',
      )
      .meta({
        label: 'list of regular expressions',
        allowed: 'a list of 1 to 100 regular expressions',
        example: String.raw`['p[0-9]+\.example\.com']`,
        defaultText: 'any name but `localhost`',
      }),
    requiredPort: wholeNumber({ min: 1, max: 65_535 })
      .optional()
      .describe('The only port that nodes may answer at.')
      .meta({ example: '80', defaultText: 'any' }),
    allowNonRootPorts: z
      .boolean()
      .prefault(true)
      .describe('Whether nodes may answer at ports from 1024 on, which any user of a node can.')
      .meta({ example: 'false' }),
    tofu: z
      .boolean()
      .prefault(true)
      .describe(
        'Trust on first use: a host that has attested attests again only once its agent was evicted. It cannot be `false` while any user of a node could answer.',
      )
      .meta({ example: 'true' }),
  })
  .describe('A nonce that the server fetches from the node over HTTP, as SPIRE has it.')

export const nodeAttestors = z
  .strictObject({
    joinToken: z
      .strictObject({})
      .optional()
      .describe('Tokens that an operator makes, each good for one node, once. `{}` switches it on.')
      .meta({ label: 'mapping', example: '{}' }),
    x509pop: x509pop.optional(),
    httpChallenge: httpChallenge.optional(),
  })
  .prefault({ joinToken: {} })
  .describe(
    'How nodes prove who they are. Those that are not named are off; unset: `joinToken` alone.',
  )

type NodeAttestorsFile = z.output<typeof nodeAttestors>

export interface X509popConfig {
  readonly mode: 'external-pki' | 'spiffe'
  /** None with `spiffe`. */
  readonly caBundleFiles: readonly string[]
  /** Ends with `/`. */
  readonly svidPrefix: string
  readonly agentPathTemplate: string
  readonly maxIntermediates: number
  readonly maxRsaBits: number
  readonly verifyClientIp: boolean
}

export interface HttpChallengeConfig {
  /** None: any name. */
  readonly allowedDnsPatterns: readonly string[]
  readonly requiredPort: number | undefined
  readonly allowNonRootPorts: boolean
  readonly tofu: boolean
}

/** undefined: switched off. */
export interface NodeAttestorsConfig {
  readonly joinToken: Readonly<Record<string, never>> | undefined
  readonly x509pop: X509popConfig | undefined
  readonly httpChallenge: HttpChallengeConfig | undefined
}

export function resolvedNodeAttestors(
  { joinToken, x509pop: pop, httpChallenge: challenge }: NodeAttestorsFile,
  full: (path: string) => string,
): NodeAttestorsConfig {
  return {
    joinToken,
    x509pop: pop && resolvedX509pop(pop, full),
    httpChallenge: challenge && {
      allowedDnsPatterns: challenge.allowedDnsPatterns ?? [],
      requiredPort: challenge.requiredPort,
      allowNonRootPorts: challenge.allowNonRootPorts,
      tofu: challenge.tofu,
    },
  }
}

function resolvedX509pop(
  file: NonNullable<NodeAttestorsFile['x509pop']>,
  full: (path: string) => string,
): X509popConfig {
  const { mode, caBundleFile, caBundleFiles, svidPrefix = '/spire-exchange', ...limits } = file
  const last = mode === 'spiffe' ? 'SVIDPathTrimmed' : 'Fingerprint'
  return {
    mode,
    caBundleFiles: (caBundleFiles ?? (caBundleFile === undefined ? [] : [caBundleFile])).map(full),
    svidPrefix: svidPrefix.endsWith('/') ? svidPrefix : `${svidPrefix}/`,
    agentPathTemplate: file.agentPathTemplate ?? `/{{ .PluginName }}/{{ .${last} }}`,
    maxIntermediates: limits.maxIntermediates,
    maxRsaBits: limits.maxRsaBits,
    verifyClientIp: limits.verifyClientIp,
  }
}

/** What holds between the keys. */
export function nodeAttestorFaults(file: {
  readonly nodeAttestors?: Loose<NodeAttestorsFile>
}): readonly PathFault[] {
  const attestors = file.nodeAttestors
  if (!isMapping(attestors)) return []
  return [...popFaults(attestors['x509pop']), ...challengeFaults(attestors['httpChallenge'])]
}

function popFaults(pop: unknown): readonly PathFault[] {
  if (!isMapping(pop)) return []
  const at = (key: string, message: string): PathFault => ({
    path: ['nodeAttestors', 'x509pop', key],
    message,
  })
  const has = (key: string): boolean => pop[key] !== undefined
  if (pop['mode'] === 'spiffe')
    return ['caBundleFile', 'caBundleFiles']
      .filter(has)
      .map((key) => at(key, 'is set; allowed: not with mode: spiffe, which trusts the own bundle'))
  if (pop['mode'] !== undefined && pop['mode'] !== 'external-pki') return []
  const prefix = has('svidPrefix') ? [at('svidPrefix', 'is set; allowed: with mode: spiffe')] : []
  if (has('caBundleFile') === has('caBundleFiles')) {
    const [what, key] = has('caBundleFile')
      ? ['are both set', 'caBundleFiles']
      : ['is missing', 'caBundleFile']
    return [...prefix, at(key, `${what}; allowed: one of caBundleFile and caBundleFiles`)]
  }
  return prefix
}

function challengeFaults(challenge: unknown): readonly PathFault[] {
  if (!isMapping(challenge)) return []
  const { requiredPort: port, allowNonRootPorts, tofu } = challenge
  const at = (key: string, message: string): PathFault => ({
    path: ['nodeAttestors', 'httpChallenge', key],
    message,
  })
  const open = typeof port === 'number' && port >= 1024
  if (open && allowNonRootPorts === false)
    return [at('requiredPort', `is ${port}; allowed: below 1024 with allowNonRootPorts: false`)]
  if (tofu !== false || (typeof port === 'number' ? !open : allowNonRootPorts === false)) return []
  return [
    at('tofu', 'is false; allowed: with a requiredPort below 1024, or allowNonRootPorts: false'),
  ]
}
