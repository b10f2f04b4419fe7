import { createPublicKey, verify as verifySignature, type JsonWebKey } from 'node:crypto'
import assert from 'node:assert/strict'
import type { AuthorityEvent } from '../../src/authority/authority.ts'
import type { JwtAuthority, ServerJwtAuthority } from '../../src/authority/jwt/jwt-authority.ts'
import { createJwtSlotStore } from '../../src/authority/jwt/jwt-slot.ts'
import { createJwtAuthority } from '../../src/authority/jwt/jwt-slots.ts'
import type { JwtAuthorityOptions } from '../../src/authority/jwt/jwt-slots.ts'
import { createJwtVerifier } from '../../src/jwt/verify.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../fakes/clock.ts'
import type { ManualClock } from '../fakes/clock.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { createStateFile } from '../fakes/state-file.ts'
import type { MemoryStateFile } from '../fakes/state-file.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const KEY_TTL = 2 * HOUR
const trustDomain = parseTrustDomain('example.org')
const spiffeId = parseSpiffeId('spiffe://example.org/web')
export const request = { spiffeId, audience: ['reports'], ttlMs: 5 * MINUTE }

type Options = Omit<JwtAuthorityOptions, 'store'>

/** One kind of JWT authority; `open` may be called again with the same file, as a restart does. */
export interface JwtKind {
  readonly name: string
  readonly open: (options: Options, file: MemoryStateFile) => Promise<ServerJwtAuthority>
}

export interface JwtSetting {
  readonly clock: ManualClock
  readonly file: MemoryStateFile
  readonly events: AuthorityEvent[]
  readonly open: (more?: Partial<Options>) => Promise<ServerJwtAuthority>
}

const stored: JwtKind = {
  name: 'keys in stateDir',
  open: (options, file) => {
    const store = createJwtSlotStore(file, trustDomain, options)
    return createJwtAuthority({ ...options, store })
  },
}

export function jwtSetting(kind: JwtKind): JwtSetting {
  const clock = createManualClock()
  const random = createSeededRandom(kind.name)
  const file = createStateFile()
  const events: AuthorityEvent[] = []
  return {
    clock,
    file,
    events,
    open: (more) =>
      kind.open(
        {
          trustDomain,
          keyType: 'ec-p256',
          keyTtlMs: KEY_TTL,
          clock,
          random,
          onEvent: (event) => events.push(event),
          ...more,
        },
        file,
      ),
  }
}

const DIGESTS: Readonly<Record<string, string>> = {
  ES256: 'sha256',
  ES384: 'sha384',
  RS256: 'sha256',
}

/** By the rules and, apart from JOSE's library, by node:crypto. */
export async function verify(authority: JwtAuthority, token: string, now: number) {
  const { keys } = authority.state.current
  const bundle = { trustDomain, x509Authorities: [], jwtAuthorities: keys }
  const bundles = new Map([[trustDomain, bundle]])
  const { spiffeId: id, claims } = await createJwtVerifier().verify(token, {
    audience: 'reports',
    bundles,
    now,
  })
  assert.equal(id, spiffeId)
  const [head = '', body = '', signature = ''] = token.split('.')
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, string>
  const { use: _use, ...jwk } = keys.find((key) => key['kid'] === header['kid']) ?? {}
  assert.ok(
    verifySignature(
      DIGESTS[header['alg'] ?? ''],
      Buffer.from(`${head}.${body}`),
      {
        key: createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }),
        dsaEncoding: 'ieee-p1363',
      },
      Buffer.from(signature, 'base64url'),
    ),
    'node:crypto verifies it',
  )
  return { header, claims }
}

/** Every kind of JWT authority the contract holds for. */
export const kinds = [stored]
