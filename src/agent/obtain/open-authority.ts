/** The signing authority a configuration asks for. */
import { join } from 'node:path'
import type { X509Authority } from '../../authority/authority.ts'
import { createDiskAuthority } from '../../authority/disk.ts'
import { createEmbeddedAuthority } from '../../authority/embedded.ts'
import type { JwtAuthority } from '../../authority/jwt/jwt-authority.ts'
import { createJwtSlotStore } from '../../authority/jwt/jwt-slot.ts'
import { createJwtAuthority } from '../../authority/jwt/jwt-slots.ts'
import { createFileSlotStore } from '../../authority/slot-file.ts'
import type { AuthorityEvent } from '../../authority/authority.ts'
import type { StandaloneConfig } from '../../config/agent-config.ts'
import { openCaFiles } from '../../os/key-files.ts'
import { openStateFile } from '../../os/state-file.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'

export interface OpenAuthorityOptions {
  readonly clock: Clock
  readonly random: Random
  readonly onEvent: (event: AuthorityEvent) => void
}

/** `stateDir` must be there and ours. @throws SpindleError `config_invalid` where an attached CA cannot be used. */
export function openAuthority(
  config: StandaloneConfig,
  options: OpenAuthorityOptions,
): Promise<X509Authority> {
  const { clock, random, onEvent } = options
  const { authority, stateDir, trustDomain } = config
  const { kind, keyType, caTtlMs } = authority
  const file = openStateFile(join(stateDir, `authority-${kind}.json`), clock)
  const store = createFileSlotStore(file, { kind, trustDomain }, { onEvent })
  const common = { trustDomain, keyType, caTtlMs, clock, random, onEvent, store }
  if (kind === 'embedded') return createEmbeddedAuthority(common)
  const files = openCaFiles(authority, clock)
  return createDiskAuthority({ ...common, files, svidTtlMs: config.svid.ttlMs })
}

/** `stateDir` must be there and ours. */
export function openJwtAuthority(
  config: StandaloneConfig,
  options: OpenAuthorityOptions,
): Promise<JwtAuthority> {
  const { clock, random, onEvent } = options
  const { authority, stateDir, svid, trustDomain } = config
  const file = openStateFile(join(stateDir, 'authority-jwt.json'), clock)
  return createJwtAuthority({
    trustDomain,
    keyType: authority.jwtKeyType,
    // Half of its life passes before a successor is prepared: a token lives no longer than that.
    keyTtlMs: Math.max(authority.caTtlMs, 2 * svid.jwtTtlMs),
    clock,
    random,
    onEvent,
    store: createJwtSlotStore(file, trustDomain, { onEvent }),
  })
}
