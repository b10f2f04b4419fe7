/** The files by which an agent and its server know each other. */
import { join } from 'node:path'
import { readBundle } from '../agent/sources.ts'
import type { AgentConfig, RemoteAuthorityConfig } from '../config/agent-config.ts'
import { findPath } from '../os/host/paths.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import { readFile } from './read-file.ts'
import type { Attempt } from './read-file.ts'

type LinkFiles = Pick<AgentConfig, 'trustDomain' | 'stateDir'> & {
  readonly authority: RemoteAuthorityConfig
}

/** The file of each check, by its name. */
export function linkFileOf({ trust, attest }: RemoteAuthorityConfig, name: string): string {
  if (name === 'trust bundle') return trust.kind === 'file' ? trust.file : ''
  if (name === 'join token') return 'tokenFile' in attest ? attest.tokenFile : ''
  if (name === 'node certificate') return 'certFile' in attest ? attest.certFile : ''
  return 'keyFile' in attest ? attest.keyFile : ''
}

/**
 * What the node needs to join is missed only where it has not: after that the token is used up, and what the server is known
 * by is kept.
 */
export async function readLinkFiles(files: LinkFiles, attempt: Attempt): Promise<void> {
  const { authority, trustDomain, stateDir } = files
  const { trust, attest } = authority
  const hasJoined = findPath(join(stateDir, 'node.sealed')) !== undefined
  const needed = (name: string, check: (path: string) => readonly string[]): Promise<void> =>
    attempt(name, () => {
      const path = linkFileOf(authority, name)
      try {
        return check(path).map((said) => `${path}: ${said}`)
      } catch (thrown) {
        if (!hasJoined) throw thrown
        return [`${messageOf(thrown)}; it is needed when the node attests again`]
      }
    })
  if (trust.kind === 'file') await needed('trust bundle', (path) => bundleNotes(trustDomain, path))
  if (attest.kind === 'join-token' && 'tokenFile' in attest) await needed('join token', secretNotes)
  if (attest.kind === 'x509pop') {
    await needed('node certificate', (path) => {
      readFile(path)
      return []
    })
    await needed('node key', secretNotes)
  }
}

function bundleNotes(trustDomain: TrustDomain, path: string): readonly string[] {
  const { bundle, notes } = readBundle(trustDomain, readFile(path), path)
  if (bundle.x509Authorities.length === 0)
    throw new SpindleError('bundle_invalid', `${path} holds no X.509 authority of ${trustDomain}`)
  return notes
}

const OTHERS = 0o077

function secretNotes(path: string): readonly string[] {
  if (readFile(path).trim() === '') throw new SpindleError('config_invalid', `${path} is empty`)
  const mode = findPath(path)?.mode ?? 0
  if ((mode & OTHERS) === 0) return []
  return [`has mode ${mode.toString(8).padStart(4, '0')}: others may read it, and be this node`]
}
