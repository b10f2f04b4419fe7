/** The server above a nested one: SPIRE's API, as that of SPIRE or of Spindle. It signs CA certificates and has the trust domain's bundle. */
import { Bundle } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import type { Bundle as BundleMessage, JWTKey } from '#spire/api/types/bundle_pb.js'
import { unavailable } from '../../../authority/server/upstream.ts'
import type { Upstream, UpstreamRoot } from '../../../authority/server/upstream.ts'
import { jwtVerificationKey } from '../../../jwt/keys.ts'
import type { Timer } from '../../../runtime/clock.ts'
import { messageOf } from '../../../runtime/errors.ts'
import type { PublicKey } from '../../../store/model.ts'
import type { AboveAddress } from './connection.ts'
import { createAboveConnection } from './connection.ts'
import { createOwnIdentity } from './identity.ts'
import type { OwnIdentityOptions } from './identity.ts'

export interface ServerAbove extends Upstream {
  /** Has it in the bundle above. @throws SpindleError */
  publishJwt(key: PublicKey): Promise<void>
  /** Asks for the bundle above now. */
  look(): void
  /** Calls `run` with all JWT keys of the bundle above, once they are known and whenever they may have changed. */
  watchJwt(run: (keys: readonly PublicKey[]) => void): () => void
  close(): void
}

export interface ServerAboveOptions extends AboveAddress, OwnIdentityOptions {
  /** Told that it could not be asked for its bundle, and then that it could (undefined). */
  readonly onFault: (fault: string | undefined) => void
}

/** As often as SPIRE's servers look: its API has nothing that would tell. */
const LOOK_EVERY_MS = 5_000
/** Real bundles have a handful. */
const MOST_AUTHORITIES = 1_000

export function openServerAbove(options: ServerAboveOptions): ServerAbove {
  const { clock, onFault } = options
  const identity = createOwnIdentity(options)
  const connection = createAboveConnection(options, identity)
  const rootListeners = new Set<(roots: readonly UpstreamRoot[]) => void>()
  const jwtListeners = new Set<(keys: readonly PublicKey[]) => void>()
  let [closed, faulty, looking] = [false, false, false]
  let timer: Timer | undefined

  const look = async (): Promise<void> => {
    const outputMask = { x509Authorities: true, jwtAuthorities: true }
    const bundle = await connection.call(Bundle.method.getBundle, { outputMask })
    const { roots, keys } = readAbove(bundle)
    if (closed) return
    for (const run of rootListeners) run(roots)
    for (const run of jwtListeners) run(keys)
  }
  const attempt = async (): Promise<void> => {
    if (looking) return
    looking = true
    timer?.cancel()
    try {
      await look()
      if (faulty) onFault(undefined)
      faulty = false
    } catch (thrown) {
      if (!faulty && !closed) onFault(messageOf(thrown))
      faulty = true
    }
    looking = false
    if (!closed) timer = clock.after(LOOK_EVERY_MS, () => void attempt())
  }
  // The Workload API says at once what the next look would find.
  const unsubscribe = identity.svid.subscribe((svid) => svid && void attempt())
  const listen = <T>(listeners: Set<(value: T) => void>, run: (value: T) => void): (() => void) => {
    const own = (value: T): void => run(value)
    listeners.add(own)
    void attempt()
    return () => void listeners.delete(own)
  }
  return {
    async newDownstreamCa(csr, ttlMs) {
      const preferredTtl = Math.floor(ttlMs / 1000)
      const { newDownstreamX509CA } = SVID.method
      const answer = await connection.call(newDownstreamX509CA, { csr, preferredTtl })
      return {
        chain: answer.caCertChain.map((der) => Buffer.from(der)),
        roots: answer.x509Authorities.map((der) => Buffer.from(der)),
      }
    },
    async publishJwt({ keyId, publicKey, expiresAt = 0, tainted }) {
      const expiresAtSeconds = BigInt(Math.floor(expiresAt / 1000))
      const jwtAuthority = { keyId, publicKey, expiresAt: expiresAtSeconds, tainted }
      await connection.call(Bundle.method.publishJWTAuthority, { jwtAuthority })
    },
    look: () => void attempt(),
    watchRoots: (run) => listen(rootListeners, run),
    watchJwt: (run) => listen(jwtListeners, run),
    close() {
      closed = true
      timer?.cancel()
      unsubscribe()
      connection.close()
      identity.close()
    },
  }
}

/** What cannot be read is passed over: it is of no use, and the rest is. @throws SpindleError */
export function readAbove({ x509Authorities, jwtAuthorities }: BundleMessage): {
  readonly roots: readonly UpstreamRoot[]
  readonly keys: readonly PublicKey[]
} {
  if (x509Authorities.length + jwtAuthorities.length > MOST_AUTHORITIES)
    throw unavailable(`the bundle above has more than ${MOST_AUTHORITIES} authorities`)
  return {
    roots: x509Authorities.map(({ asn1, tainted }) => ({
      certificate: Buffer.from(asn1),
      tainted,
    })),
    keys: jwtAuthorities.filter(isReadable).map(({ keyId, publicKey, expiresAt, tainted }) => ({
      keyId,
      publicKey,
      ...(expiresAt > 0n && { expiresAt: Number(expiresAt) * 1000 }),
      tainted,
    })),
  }
}

function isReadable({ keyId, publicKey }: JWTKey): boolean {
  try {
    jwtVerificationKey(Buffer.from(publicKey), 'a JWT authority of the bundle above')
    return keyId !== ''
  } catch {
    return false
  }
}
