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
