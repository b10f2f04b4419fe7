/*
 * The field masks of SPIRE's API. A mask is a message of booleans named like the fields it is about (a oneof is one of them). No
 * mask means all fields; what a mask does not name is not wanted, or not to be changed. The key (`id`, `trustDomain`) has no
 * boolean: it is always there.
 */

/** What a message says of itself: `$typeName`, `$unknown`. */
type OfTheMessage = `$${string}`

/** A boolean for each field of T but its key: EntryMask is one for Entry. */
export type MaskOf<T, Key extends keyof T> = {
  readonly [Field in Exclude<keyof T, Key | OfTheMessage>]-?: boolean
}

/** Fields to make a message of. A field that is not there is empty on the wire. */
export type Fields<T> = Partial<Omit<T, OfTheMessage>>

type Chosen = (field: string) => boolean

function chosenBy<T, Key extends keyof T>(mask: MaskOf<T, Key> | undefined): Chosen {
  if (mask === undefined) return () => true
  const wanted = mask as Readonly<Record<string, unknown>>
  return (field) => wanted[field] === true
}

function fieldsWhere<T extends object>(value: T, keep: Chosen): Fields<T> {
  const kept = Object.entries(value).filter(([field]) => !field.startsWith('$') && keep(field))
  return Object.fromEntries(kept) as Fields<T>
}

/** The fields of a value that an output mask wants. */
export function applyMask<T extends object, Key extends keyof T & string>(
  mask: MaskOf<T, Key> | undefined,
  value: T,
  key: Key,
): Fields<T> {
  const chosen = chosenBy(mask)
  return fieldsWhere(value, (field) => field === key || chosen(field))
}

/** An update by an input mask: the fields it names as they are given, also where empty; the others and the key as they are. */
export function updateByMask<T extends object, Key extends keyof T & string>(
  mask: MaskOf<T, Key> | undefined,
  values: { readonly current: T; readonly given: T },
  key: Key,
): Fields<T> {
  const chosen = chosenBy(mask)
  const replaced: Chosen = (field) => field !== key && chosen(field)
  return {
    ...fieldsWhere(values.current, (field) => !replaced(field)),
    ...fieldsWhere(values.given, replaced),
  }
}
