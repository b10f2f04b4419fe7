/** How long callers of the Workload API are kept waiting, in ms. */

/** From the call: what cannot be said after this is answered with UNAVAILABLE, and the client asks again. */
export const FIRST_ANSWER_MS = 5_000
/** For what is missing in an answer and on its way; then it is given without. */
export const COMPLETION_MS = 1_000
/** For the answer to reach the client before it gives up. */
export const MARGIN_MS = 250
