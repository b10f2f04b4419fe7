import * as z from 'zod'
import type { HostAndPort } from '../scalars.ts'
import { serverLink } from './schema.ts'

/** How a server is found and trusted, and how this node proves who it is; every path absolute. */
export interface ServerLinkConfig {
  readonly address: HostAndPort
  readonly trust:
    | { readonly kind: 'file'; readonly file: string }
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'insecure' }
  readonly attest:
    | { readonly kind: 'join-token'; readonly tokenFile: string }
    | { readonly kind: 'join-token'; readonly token: string }
    | {
        readonly kind: 'x509pop'
        readonly certFile: string
        readonly keyFile: string
        readonly intermediatesFile: string | undefined
      }
    | {
        readonly kind: 'http-challenge'
        /** undefined: the host's. */
        readonly hostname: string | undefined
        readonly agentName: string
        /** 0: any that is free. */
        readonly port: number
        /** undefined: the one that is listened on. */
        readonly advertisedPort: number | undefined
      }
}

const linkFile = z.strictObject(serverLink)
type LinkFile = z.output<typeof linkFile>

/** What linkFaults() found nothing wrong with. */
export function resolvedLink(file: LinkFile, full: (path: string) => string): ServerLinkConfig {
  const { address, trustBundleFile, trustBundleUrl, attest } = file
  return {
    address,
    trust:
      trustBundleFile !== undefined
        ? { kind: 'file', file: full(trustBundleFile) }
        : trustBundleUrl !== undefined
          ? { kind: 'url', url: trustBundleUrl }
          : { kind: 'insecure' },
    attest: resolvedAttest(attest, full),
  }
}

function resolvedAttest(
  attest: LinkFile['attest'],
  full: (path: string) => string,
): ServerLinkConfig['attest'] {
  switch (attest.kind) {
    case 'join-token': {
      const { kind, token, tokenFile = '' } = attest
      return token === undefined ? { kind, tokenFile: full(tokenFile) } : { kind, token }
    }
    case 'x509pop': {
      const { kind, certFile, keyFile, intermediatesFile } = attest
      return {
        kind,
        certFile: full(certFile),
        keyFile: full(keyFile),
        intermediatesFile: intermediatesFile && full(intermediatesFile),
      }
    }
    case 'http-challenge': {
      const { kind, agentName, port, hostname, advertisedPort } = attest
      return { kind, agentName, port, hostname, advertisedPort }
    }
  }
}
