/**
 * Taking an authority back before its time, as SPIRE does (`localauthority`): one that is old is tainted, so that what it
 * signed is signed anew while it is still trusted, and then revoked, so that it is trusted no more. Step functions on
 * plain values; the words are SPIRE's, which its users look for.
 */
import { SpindleError } from '../../runtime/errors.ts'
import type { RotatingSlot } from './rotation.ts'

export type Withdrawal = 'taint' | 'revoke'

/** `slots` once `authorityId` is tainted; the same where it is already. @throws SpindleError `request_invalid` */
export function tainted<Slot extends RotatingSlot>(
  slots: readonly Slot[],
  authorityId: string,
): readonly Slot[] {
  if (authorityId === '') throw invalid('no authority ID provided')
  const status = slots.find((slot) => slot.authorityId === authorityId)?.status
  if (status === 'tainted') return slots
  if (status === 'active') throw invalid('unable to taint current local authority')
  if (status === undefined) throw invalid('unexpected authority ID')
  if (status === 'prepared') {
    const why = `unsupported local authority status: ${status.toUpperCase()}`
    throw invalid(`only Old local authorities can be tainted: ${why}`)
  }
  return slots.map((slot): Slot =>
    slot.authorityId === authorityId ? { ...slot, status: 'tainted' } : slot,
  )
}

/** `slots` without `authorityId`, which signs no more: tainted or not. @throws SpindleError `request_invalid` */
export function revoked<Slot extends RotatingSlot>(
  slots: readonly Slot[],
  authorityId: string,
): readonly Slot[] {
  const status = slots.find((slot) => slot.authorityId === authorityId)?.status
  if (status !== 'old' && status !== 'tainted') {
    const why =
      authorityId === ''
        ? 'no authority ID provided'
        : status === 'active'
          ? 'unable to use current authority'
          : 'only Old local authority can be revoked'
    throw invalid(`invalid authority ID: ${why}`)
  }
  return slots.filter((slot) => slot.authorityId !== authorityId)
}

const invalid = (why: string): SpindleError => new SpindleError('request_invalid', why)
