import { readFilesConfig } from '../../../src/config/files/files-config.ts'
import type { FilesConfig } from '../../../src/config/files/files-config.ts'
import type { FilesSource } from '../../../src/files/keep-files.ts'
import type { ErrorCode } from '../../../src/runtime/errors.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import type { SpiffeId, TrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import type { Log } from '../../../src/telemetry/log.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import type { FetchedJwt, JwtBundlesUpdate } from '../../../src/workload/jwt.ts'
import type { Watch } from '../../../src/workload/watch.ts'
import type { X509Svid, X509Update } from '../../../src/workload/x509.ts'
import type { ManualClock } from '../../fakes/clock.ts'
import type { Made } from '../certs/make-certificate.ts'
import { makeCa, makeLeaf } from '../certs/make-certificate.ts'

const LIFE = { notBefore: Date.UTC(2020, 0, 1), notAfter: Date.UTC(2040, 0, 1) }
export const ca = await makeCa(LIFE)
export const otherCa = await makeCa(LIFE)
export const PARTNER = 'partner.test' as TrustDomain
const OWN = 'example.org' as TrustDomain

export interface SvidWanted {
  readonly hint?: string
  readonly by?: Made
  /** ms since the epoch */
  readonly notAfter?: number
}

export async function svid(name: string, wanted: SvidWanted = {}): Promise<X509Svid> {
  const { hint = '', by = ca, notAfter = LIFE.notAfter } = wanted
  const spiffeId = `spiffe://example.org/${name}` as SpiffeId
  const { notBefore } = LIFE
  const leaf = await makeLeaf({ by, uris: [spiffeId], notBefore, notAfter })
  const chain = [leaf.der]
  return {
    spiffeId,
    hint,
    chain,
    privateKey: leaf.key.pkcs8,
    bundle: [ca.der],
    notBefore,
    notAfter,
  }
}

export function update(
  svids: readonly [X509Svid, ...X509Svid[]],
  federated: Readonly<Record<string, readonly Buffer[]>> = {},
): X509Update {
  const federatedBundles = new Map(
    Object.entries(federated).map(([name, bundle]) => [name as TrustDomain, bundle]),
  )
  return { svids, federatedBundles, notes: [] }
}

/** A JWT-SVID that nobody signed, with a life in ms. */
export function jwt(token: string, life: { issuedAt: number; expiresAt: number }): FetchedJwt {
  const { issuedAt, expiresAt } = life
  return {
    token,
    hint: '',
    algorithm: 'ES256',
    keyId: 'k',
    spiffeId: 'spiffe://example.org/web' as SpiffeId,
    audience: ['vault'],
    expiresAt,
    claims: { iat: Math.floor(issuedAt / 1000) },
  }
}

export const jwtBundles = (kid: string): JwtBundlesUpdate => ({
  bundles: new Map([[OWN, [{ kty: 'EC', kid, use: 'jwt-svid' }]]]),
  notes: [],
})

export const fault = (code: ErrorCode, message: string = code): SpindleError =>
  new SpindleError(code, message)

/** An agent that says what a test has it say. */
export interface FakeSource extends FilesSource {
  x509(update: X509Update): Promise<void>
  jwtBundles(update: JwtBundlesUpdate): Promise<void>
  /** Of both streams. */
  fault(error: SpindleError): void
  /** Ends the streams for good. */
  refuse(error: SpindleError): void
  /** What FetchJWTSVID gives from now on. */
  token: FetchedJwt | SpindleError
  readonly fetches: number
}

export function createFakeSource(): FakeSource {
  const x509: Watch<X509Update>[] = []
  const bundles: Watch<JwtBundlesUpdate>[] = []
  const ends: ((error: SpindleError) => void)[] = []
  const kept = <T>(watches: Watch<T>[], watch: Watch<T>): Promise<void> => {
    watches.push(watch)
    return new Promise((resolve, reject) => {
      ends.push(reject)
      watch.signal.addEventListener('abort', () => resolve())
    })
  }
  let fetches = 0
  return {
    token: fault('not_ready'),
    get fetches() {
      return fetches
    },
    watchX509: (watch) => kept(x509, watch),
    watchJwtBundles: (watch) => kept(bundles, watch),
    async fetchJwt() {
      fetches += 1
      if (this.token instanceof SpindleError) throw this.token
      return { svids: [this.token], notes: [] }
    },
    async x509(said) {
      for (const watch of x509) await watch.onUpdate(said)
    },
    async jwtBundles(said) {
      for (const watch of bundles) await watch.onUpdate(said)
    },
    fault(error) {
      const isDenied = error.code === 'no_identity'
      for (const watch of [...x509, ...bundles])
        watch.onFault?.({ error, isDenied, retryInMs: 100 })
    },
    refuse: (error) => ends.forEach((end) => end(error)),
  }
}

/** A log whose lines are kept as `level message`. */
export function createLines(clock: ManualClock): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = []
  const stream = {
    write(line: string) {
      const { level, message } = JSON.parse(line) as { level: string; message: string }
      lines.push(`${level} ${message}`)
    },
  }
  return { log: createLog({ level: 'info', format: 'json', stream, clock }), lines }
}

export const config = (folder: string, text: string): FilesConfig =>
  readFilesConfig(text, { file: `${folder}/files.yaml` })
