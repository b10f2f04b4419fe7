/** Changes of the registry as lines of audit. */
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { EntryVersion } from '../../../store/port.ts'
import type { Audit } from '../../audit/audit.ts'
import type { Asked } from '../service.ts'

interface Audited {
  readonly audit: Audit
}

export function auditEntry(
  { audit }: Audited,
  { caller, method }: Asked,
  { entry, action }: { readonly entry: EntryVersion; readonly action: string },
): void {
  const { id: key, revision } = entry
  audit.write({ event: 'changed', caller, method, object: 'entry', key, action, revision })
}

/** `revision`: its sequence number. */
export function auditBundle(
  { audit }: Audited,
  { caller, method }: Asked,
  done: { readonly key: TrustDomain; readonly action: string; readonly revision?: number },
): void {
  audit.write({ event: 'changed', caller, method, object: 'bundle', ...done })
}

export function auditFederation(
  { audit }: Audited,
  { caller, method }: Asked,
  done: { readonly key: TrustDomain; readonly action: string },
): void {
  audit.write({ event: 'changed', caller, method, object: 'federation', ...done })
}
