import { SpindleError } from '../runtime/errors.ts'

declare const selector: unique symbol
/** A fact about a caller, `type:value`, such as `unix:uid:1001` or `unix:path:/usr/bin/envoy`. */
export type Selector = string & { readonly [selector]: true }
/** What can be looked up about a caller: `unix:uid`, `unix:sha256` … the selector without its last value. */
export type SelectorKind = string

/** @throws SpindleError `selector_invalid` */
export function parseSelector(_text: string): Selector {
  throw new SpindleError('internal', 'unwritten')
}
/** `unix:path` of `unix:path:/a:b`; for `k8s:pod-label:app:web` it is `k8s:pod-label`: the first two parts. */
export function selectorKind(_selector: Selector): SelectorKind {
  throw new SpindleError('internal', 'unwritten')
}
