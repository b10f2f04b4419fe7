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
