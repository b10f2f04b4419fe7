/** X.509-SVIDs for the entries of an agent, as many as it asks for at once. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  BatchNewX509SVIDResponse_ResultSchema,
  NewX509SVIDParams,
} from '#spire/api/server/svid/v1/svid_pb.js'
import { NotSignedByItsKey, readCsrAside } from '../../../certs/csr/read.ts'
import { serialNumberOf } from '../../../certs/parse.ts'
import type { ServerEntry } from '../../../registration/server-entry.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { nextTurn } from '../../../runtime/slices.ts'
import type { Issuance } from '../../audit/audit.ts'
import { idMessage } from '../api/ids.ts'
import { ITEM_OK } from '../api/status.ts'
import type { ItemStatus } from '../api/status.ts'
import type { Asked } from '../service.ts'
import { failed, worded } from '../worded.ts'
import { entryOfAgent, expectEntries, NOT_YOURS } from './entries.ts'
import type { SvidParts } from './parts.ts'

type Result = MessageInitShape<typeof BatchNewX509SVIDResponse_ResultSchema>

/** Their requests are checked beside each other, and an RSA or P-384 authority signs them so. */
const AT_ONCE = 8
/** How long the event loop is held. */
const SLICE_MS = 5

export async function newX509Svids(
  parts: SvidParts,
  params: readonly NewX509SVIDParams[],
  asked: Asked,
): Promise<readonly Result[]> {
  const { clock } = parts
  const ids = params.map(({ entryId }) => entryId).filter((id) => id !== '')
  await expectEntries(parts, ids, asked)
  const results: Result[] = []
  let since = clock.monotonic()
  for (let at = 0; at < params.length; at += AT_ONCE) {
    const batch = { ...asked, issued: [] }
    const some = params.slice(at, at + AT_ONCE)
    results.push(...(await Promise.all(some.map((each) => newX509Svid(parts, each, batch)))))
    parts.audit.write(...batch.issued)
    if (clock.monotonic() - since < SLICE_MS) continue
    await nextTurn()
    since = clock.monotonic()
  }
  return results
}

/** With what is issued to it, of which the lines are not written yet. */
interface AskedBatch extends Asked {
  readonly issued: Issuance[]
}

async function newX509Svid(
  parts: SvidParts,
  { entryId, csr }: NewX509SVIDParams,
  asked: AskedBatch,
): Promise<Result> {
  const refuse = (message: string) => ({ status: worded(status.INVALID_ARGUMENT, message) })
  if (entryId === '') return refuse('missing entry ID')
  if (csr.length === 0) return refuse('missing CSR')
  const entry = entryOfAgent(parts, entryId, asked)
  if (entry === undefined) return { status: NOT_YOURS }
  let spki: Buffer
  try {
    ;({ spki } = await readCsrAside(csr))
  } catch (thrown) {
    return { status: csrFault(thrown) }
  }
  try {
    return await signed(parts, { entry, spki }, asked)
  } catch (thrown) {
    const { faulted } = parts
    return { status: failed('failed to sign X509-SVID', thrown, { faulted, method: asked.method }) }
  }
}

/** `thrown` by `readCsr`. */
export function csrFault(thrown: unknown): ItemStatus {
  const ownKey = thrown instanceof Error && thrown.cause instanceof NotSignedByItsKey
  const what = ownKey ? 'invalid CSR signature' : 'malformed CSR'
  return worded(status.INVALID_ARGUMENT, what, thrown)
}

async function signed(
  { issuing, svid }: SvidParts,
  { entry, spki }: { readonly entry: ServerEntry; readonly spki: Buffer },
  { caller, method, issued }: AskedBatch,
): Promise<Result> {
  const { spiffeId, dnsNames, x509SvidTtlMs: ttlMs = svid.ttlMs, hint } = entry
  const { chain, notAfter, authorityId } = await issuing.x509.issue({
    spiffeId,
    dnsNames,
    spki,
    ttlMs,
  })
  issued.push({
    event: 'issued',
    caller,
    method,
    issued: 'x509-svid',
    spiffeId,
    serial: serialNumberOf(chain[0]!),
    authorityId,
    expiresAt: notAfter,
    entryId: entry.id,
    entryRevision: entry.revision,
  })
  const expiresAt = BigInt(notAfter / 1000)
  return {
    status: ITEM_OK,
    svid: { certChain: chain.slice(), id: idMessage(spiffeId), expiresAt, hint },
  }
}
