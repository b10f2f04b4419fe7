import type { AuthorityState } from '../../authority/authority.ts'

/**
 * What becomes of what an authority signed. trusted: it is verified, and will be; what trusts nobody says nothing of anybody ·
 * tainted: it is verified, and soon will not be · gone: it is not.
 */
export type Standing = 'trusted' | 'tainted' | 'gone'

export function standingOf(
  authorityId: string,
  { slots }: Pick<AuthorityState, 'slots'>,
): Standing {
  if (slots.every(({ status }) => status === 'tainted')) return 'trusted'
  const slot = slots.find((each) => each.authorityId === authorityId)
  if (slot === undefined) return 'gone'
  return slot.status === 'tainted' ? 'tainted' : 'trusted'
}

/** Whether what was asked for `before`, and has come `now`, is of an authority that was trusted then and is not any more. */
export function hasLostTrust(
  signed: { readonly authorityId: string } | undefined,
  before: Pick<AuthorityState, 'slots'>,
  now: Pick<AuthorityState, 'slots'>,
): boolean {
  if (signed === undefined) return false
  const [was, is] = [before, now].map((state) => standingOf(signed.authorityId, state))
  return was === 'trusted' && is !== 'trusted'
}
