/**
 * When a certificate is renewed: an instant drawn once, uniform over half-life ± 10 % of the whole life, counted from
 * issue. Drawn once because a fraction drawn anew at each check collapses the spread to its first lucky draw.
 */
export function renewalInstant(
  life: { readonly issuedAt: number; readonly notAfter: number },
  fraction: number,
): number {
  const span = life.notAfter - life.issuedAt
  return life.issuedAt + span * (0.4 + 0.2 * fraction)
}

/** Of what is left of a life: the rest is for the renewal itself. */
const SPREAD_SHARE = 0.8

/**
 * A renewal instant for one whose own has passed while nothing could be signed: drawn once over what is left of its life, so
 * that those that waited together are not renewed together.
 */
export function belatedRenewalInstant(
  left: { readonly now: number; readonly notAfter: number },
  fraction: number,
): number {
  return left.now + Math.max(left.notAfter - left.now, 0) * SPREAD_SHARE * fraction
}

/** Of one holder: these wait for nobody. */
const AT_ONCE = 4
const TURN_MS = 1_000
const LONGEST_WAIT_MS = 120_000
/** Of what is left of a life. */
const LONGEST_SHARE = 0.25

/**
 * How long one of the certificates waits (ms) that a holder is to replace before they are due, at the moment when every other holder
 * is: an authority is tainted, the clocks of a fleet jump. The first few do not wait. The others are drawn over a second each, so that a
 * thousand holders ask for a thousand signatures a second, however many each has; over two minutes and a quarter of what is
 * left of its life at most.
 * @param turn `at` counts from 0
 */
export function replacementDelay(
  { at, of, leftMs }: { readonly at: number; readonly of: number; readonly leftMs: number },
  fraction: number,
): number {
  if (at < AT_ONCE) return 0
  const window = Math.min((of - AT_ONCE) * TURN_MS, LONGEST_WAIT_MS, leftMs * LONGEST_SHARE)
  return Math.max(window, 0) * fraction
}
