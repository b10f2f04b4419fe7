/**
 * The JOSE library, loaded with the first token: an agent that is asked for none is spared it. What it does by itself
 * accepts more than SPIFFE does (keys of any `use`, every algorithm, no `exp`, `WIT+JWT` for `JWT`), so it signs and
 * checks signatures alone, and with the algorithm named.
 */
export const jose = once(() => import('jose'))

function once<T>(load: () => T): () => T {
  let loaded: T | undefined
  return () => (loaded ??= load())
}
