/** The signing authorities a configuration asks for, with their state in `stateDir`. */
import { join } from 'node:path'
import type { KeyType } from '../certs/keys.ts'
import { openCaFiles } from '../os/key-files.ts'
import type { CaFilePaths } from '../os/key-files.ts'
import { openStateFile } from '../os/state-file.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { AuthorityState, ServerX509Authority } from './authority.ts'
import { createDiskAuthority } from './disk.ts'
import { createEmbeddedAuthority } from './embedded.ts'
import type { JwtAuthorityState, ServerJwtAuthority } from './jwt/jwt-authority.ts'
import { createJwtSlotStore } from './jwt/jwt-slot.ts'
import type { JwtSlot } from './jwt/jwt-slot.ts'
import { createJwtAuthority } from './jwt/jwt-slots.ts'
import { createNestedAuthority } from './server/nested.ts'
import type { Upstream, UpstreamRoot } from './server/upstream.ts'
import { createFileSlotStore } from './slot-file.ts'
import type { CaSlot } from './slot.ts'
import type { SealedMore } from './slots/sealed-slots.ts'
import type { Announcer } from './slots/slot-kind.ts'

interface Signing {
  readonly keyType: KeyType
  readonly caTtlMs: number
  /** Of the keys that sign JWT-SVIDs. */
  readonly jwtKeyType: KeyType
}

type Choice = Signing &
  (
    | { readonly kind: 'embedded' }
    | ({ readonly kind: 'disk' } & CaFilePaths)
    | {
        readonly kind: 'server'
        readonly upstream: Upstream
        /** As `NestedOptions` has them. */
        readonly knownRoots: readonly UpstreamRoot[]
      }
  )

/** Of a configuration, what the authorities follow from. */
export interface AuthoritySettings<Kind extends Signing = Choice> {
  readonly trustDomain: TrustDomain
  /** Must be there and ours. */
  readonly stateDir: string
  readonly authority: Kind
  readonly svid: { readonly ttlMs: number; readonly jwtTtlMs: number }
}

export interface OpenAuthorityOptions<Slot extends CaSlot | JwtSlot, State> extends SealedMore {
  readonly clock: Clock
  readonly random: Random
  readonly announcer?: Announcer<Slot, State>
}

/** Where an authority's slots are. */
export const x509StateFile = (kind: Choice['kind']): string => `authority-${kind}.json`
export const JWT_STATE_FILE = 'authority-jwt.json'

/** @throws SpindleError `config_invalid` where an attached CA cannot be used. */
export function openX509Authority(
  settings: AuthoritySettings,
  options: OpenAuthorityOptions<CaSlot, AuthorityState>,
): Promise<ServerX509Authority> {
  const { clock } = options
  const { authority, stateDir, trustDomain, svid } = settings
  const { kind, keyType, caTtlMs } = authority
  const file = openStateFile(join(stateDir, x509StateFile(kind)), clock)
  const store = createFileSlotStore(file, { kind, trustDomain }, options)
  const common = { ...options, trustDomain, keyType, caTtlMs, store }
  switch (authority.kind) {
    case 'embedded':
      return createEmbeddedAuthority(common)
    case 'disk': {
      const files = openCaFiles(authority, clock)
      return createDiskAuthority({ ...common, files, svidTtlMs: svid.ttlMs })
    }
    case 'server': {
      const { upstream, knownRoots } = authority
      return createNestedAuthority({ ...common, upstream, knownRoots })
    }
  }
}

export function openJwtAuthority(
  settings: AuthoritySettings<Signing>,
  options: OpenAuthorityOptions<JwtSlot, JwtAuthorityState>,
): Promise<ServerJwtAuthority> {
  const { clock } = options
  const { authority, stateDir, svid, trustDomain } = settings
  const file = openStateFile(join(stateDir, JWT_STATE_FILE), clock)
  return createJwtAuthority({
    ...options,
    trustDomain,
    keyType: authority.jwtKeyType,
    // Half of its life passes before a successor is prepared: a token lives no longer than that.
    keyTtlMs: Math.max(authority.caTtlMs, 2 * svid.jwtTtlMs),
    store: createJwtSlotStore(file, trustDomain, options),
  })
}
