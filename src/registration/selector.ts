import { Buffer } from 'node:buffer'
import { SpindleError } from '../runtime/errors.ts'

declare const selector: unique symbol
/** A fact about a caller, `type:value`, such as `unix:uid:1001` or `unix:path:/usr/bin/envoy`. */
export type Selector = string & { readonly [selector]: true }
/** What can be looked up about a caller: `unix:uid`, `unix:sha256` … the selector without its last value. */
export type SelectorKind = string

/** Bytes of UTF-8: twice PATH_MAX, so that every path and every container image reference fits. */
const MAX_BYTES = 8192

/** @throws SpindleError `selector_invalid` */
export function parseSelector(text: string): Selector {
  const fault = selectorFault(text)
  if (fault === undefined) return text as Selector
  const shown = text.length > 80 ? `${text.slice(0, 80).toWellFormed()}…` : text
  throw new SpindleError('selector_invalid', `${JSON.stringify(shown)} ${fault}`)
}

/** `unix:path` of `unix:path:/a:b`; for `k8s:pod-label:app:web` it is `k8s:pod-label`: the first two parts. */
export function selectorKind(of: Selector): SelectorKind {
  const type = of.indexOf(':')
  const kind = of.indexOf(':', type + 1)
  // A selector of two parts, `type:value`, has nothing but its type before the value.
  return of.slice(0, kind === -1 ? type : kind)
}

function selectorFault(text: string): string | undefined {
  if (text.length > MAX_BYTES || Buffer.byteLength(text) > MAX_BYTES) {
    return `is longer than ${MAX_BYTES} bytes`
  }
  // No attestor can ever report such a text, so an entry with it would match nobody without a word.
  if (/\p{Cc}/u.test(text) || !text.isWellFormed())
    return 'has a control character or half a character'
  const colon = text.indexOf(':')
  if (colon === -1) return 'has no ":" (a selector is type:value)'
  if (colon === 0) return 'has no type before the first ":"'
  if (/\s/.test(text.slice(0, colon))) return 'has a space in its type'
  if (colon === text.length - 1) return 'has no value after the first ":"'
  return undefined
}
