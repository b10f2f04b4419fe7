/**
 * The little of DER (X.690) that finding a public key in a certificate needs. Anything not in the one encoding DER
 * allows is refused by `undefined`; what it means is for `certs/` to say.
 */
export interface DerElement {
  readonly tag: number
  /** The contents, without tag and length. */
  readonly contents: Uint8Array
  /** Where the next element begins in the bytes that were read. */
  readonly end: number
}

export const derTag = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OBJECT_IDENTIFIER: 0x06,
  SEQUENCE: 0x30,
  EXPLICIT_0: 0xa0,
} as const

/** Reads the element at `start`; undefined where there is none, or it is cut short, or its length is not in DER's form. */
export function readDer(bytes: Uint8Array, start: number): DerElement | undefined {
  const tag = bytes[start]
  const first = bytes[start + 1]
  // Tags above 30 take several bytes and do not occur in a certificate.
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined
  if (first < 0x80) return element(bytes, tag, { from: start + 2, length: first })
  const count = first - 0x80
  // 0x80 is the indefinite length of BER; three bytes are enough for 16 MiB, and no document here is longer.
  if (count === 0 || count > 3) return undefined
  let length = 0
  for (let at = start + 2; at < start + 2 + count; at++) length = length * 256 + (bytes[at] ?? 0)
  const shortest = length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(length)) / 8)
  if (count !== shortest) return undefined
  return element(bytes, tag, { from: start + 2 + count, length })
}

function element(
  bytes: Uint8Array,
  tag: number,
  span: { readonly from: number; readonly length: number },
): DerElement | undefined {
  const end = span.from + span.length
  if (end > bytes.length) return undefined
  return { tag, contents: bytes.subarray(span.from, end), end }
}

/** The elements that fill `bytes` exactly; undefined where they do not, or are more than `limit`. */
export function readDerSeries(bytes: Uint8Array, limit: number): readonly DerElement[] | undefined {
  const series: DerElement[] = []
  for (let at = 0; at < bytes.length;) {
    const next = readDer(bytes, at)
    if (next === undefined || series.length === limit) return undefined
    series.push(next)
    at = next.end
  }
  return series
}

/** The same elements, each with its tag and length: how certificates are put one after another (Workload API 5.1). */
export function splitDer(bytes: Uint8Array, limit: number): readonly Uint8Array[] | undefined {
  let start = 0
  return readDerSeries(bytes, limit)?.map(({ end }) => {
    const whole = bytes.subarray(start, end)
    start = end
    return whole
  })
}

/** True for exactly one SEQUENCE and nothing after it: the outer form of every certificate. */
export function isDerSequence(bytes: Uint8Array): boolean {
  const outer = readDer(bytes, 0)
  return outer !== undefined && outer.tag === derTag.SEQUENCE && outer.end === bytes.length
}
