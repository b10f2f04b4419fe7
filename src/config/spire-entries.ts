import * as z from 'zod'
import type { EntryFields } from '../registration/entry.ts'
import { readShape } from './schema-faults.ts'
import type { PathFault } from './text/source-text.ts'
import { wholeNumber } from './scalars.ts'

/*
 * An entry as SPIRE's `spire-server entry create -data` takes it, so that registrations move over unchanged. What would
 * change who gets an identity is a fault rather than passed over: an entry with an end must not live for ever here.
 */

/** Our field names → SPIRE's. */
export const SPIRE_FIELDS: Readonly<Record<string | number, string>> = {
  spiffeId: 'spiffe_id',
  x509SvidTtl: 'x509_svid_ttl',
  jwtSvidTtl: 'jwt_svid_ttl',
  dnsNames: 'dns_names',
  federatesWith: 'federates_with',
}

const never = (why: string) => ({ allowed: why })

const ignored = {
  parent_id: z.string().optional(),
  entry_id: z.string().optional(),
  admin: z.boolean().optional(),
  downstream: z.boolean().optional(),
  jwt_svid_include_jti: z.boolean().optional(),
  disable_x509_svid_prefetch: z.boolean().optional(),
  revision_number: z.int().optional(),
  created_at: z.int().optional(),
}

const seconds = wholeNumber({ min: 0, max: 2 ** 31 - 1 })
  .optional()
  .meta({ allowed: 'a whole number of seconds, 0 for the default' })

const noExpiry = z
  .literal(0)
  .optional()
  .meta(
    never(
      '0, since entries in a file do not expire: leave the key out and delete the entry in time',
    ),
  )

const spireSchema = z.strictObject({
  spiffe_id: z.string().meta({ allowed: 'a SPIFFE ID such as spiffe://example.org/web' }),
  selectors: z.array(
    z.strictObject({
      type: z.string().meta({ allowed: 'a selector type such as unix' }),
      value: z.string().meta({ allowed: 'a selector value such as uid:1001' }),
    }),
  ),
  x509_svid_ttl: seconds,
  jwt_svid_ttl: seconds,
  federates_with: z.array(z.string()).nullish(),
  dns_names: z.array(z.string()).nullish(),
  hint: z.string().optional(),
  entry_expiry: noExpiry,
  entryExpiry: noExpiry,
  store_svid: z
    .literal(false)
    .optional()
    .meta(never('false, since SPIRE gives such an entry to no caller: leave it out of this file')),
  ...ignored,
})

/** One entry's fields as far as they have the right shape; what has not is in `faults`, and left out. */
export interface EntryShape {
  readonly fields: Partial<EntryFields>
  readonly faults: readonly PathFault[]
  readonly warnings: readonly PathFault[]
}

export function spireEntry(value: unknown): EntryShape {
  const { fields: entry, faults } = readShape(spireSchema, value)
  const warnings = Object.keys(ignored)
    .filter((key) => isSet(entry[key as keyof typeof ignored]))
    .map((key): PathFault => ({
      path: [key],
      message: 'means nothing without a server and is ignored',
    }))
  const fields = {
    spiffeId: entry.spiffe_id,
    selectors: entry.selectors?.map(({ type, value: text }) => `${type}:${text}`),
    x509SvidTtlMs: milliseconds(entry.x509_svid_ttl),
    jwtSvidTtlMs: milliseconds(entry.jwt_svid_ttl),
    dnsNames: entry.dns_names ?? undefined,
    federatesWith: entry.federates_with ?? undefined,
    hint: entry.hint,
  }
  return { fields: given(fields), faults, warnings }
}

function milliseconds(ttlSeconds: number | undefined = 0): number | undefined {
  return ttlSeconds === 0 ? undefined : ttlSeconds * 1000
}

/** Without the keys that are undefined. */
function given<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** SPIRE leaves zero values out or writes them: both say nothing. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== false && value !== 0 && value !== ''
}
