/** Of each call to a server that ends by itself, as SPIRE's agents have it. */
export const CALL_MS = 30_000
