import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { timestampMs } from '@bufbuild/protobuf/wkt'

/** ms since the epoch */
export const instant = (at: Timestamp | undefined): number | undefined =>
  at === undefined ? undefined : timestampMs(at)

/** A key that is left out where there is nothing to say. */
export function given<K extends string, V extends string | number>(
  key: K,
  value: V | undefined,
): { readonly [k in K]?: V } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { readonly [k in K]: V })
}
