import type { TestContext } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  X509SVIDResponseSchema,
  X509SVIDSchema,
} from '../../../src/gen/spiffe/workload/workload_pb.js'
import type { WorkloadClient } from '../../../src/workload/client.ts'
import { createWorkloadClient } from '../../../src/workload/client.ts'
import { createSeededRandom } from '../../fakes/random.ts'
import type { FakeAgent } from '../../fakes/workload-agent.ts'
import type { Made } from '../certs/make-certificate.ts'
import { makeCa, makeLeaf } from '../certs/make-certificate.ts'

export type SvidInit = MessageInitShape<typeof X509SVIDSchema>
export type X509Init = MessageInitShape<typeof X509SVIDResponseSchema>

export const ca = await makeCa()
export const otherCa = await makeCa()

/** A right `X509SVID` message, with `change` over it. */
export async function svid(name: string, change: Partial<SvidInit> = {}): Promise<SvidInit> {
  const spiffeId = `spiffe://example.org/${name}`
  const leaf: Made = await makeLeaf({ by: ca, uris: [spiffeId] })
  return {
    spiffeId,
    x509Svid: leaf.der,
    x509SvidKey: leaf.key.pkcs8,
    bundle: ca.der,
    ...change,
  } as SvidInit
}

export const one = async (name = 'web'): Promise<X509Init> => ({ svids: [await svid(name)] })

/** A client that tries again within milliseconds. */
export function clientOf(
  t: TestContext,
  { endpoint }: Pick<FakeAgent, 'endpoint'>,
  deadlineMs = 5_000,
): WorkloadClient {
  const client = createWorkloadClient(endpoint, {
    random: createSeededRandom('workload'),
    deadlineMs,
    backoff: { baseMs: 2, maxMs: 20 },
  })
  t.after(() => client.close())
  return client
}
