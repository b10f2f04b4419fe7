import { createIssuer, createIntermediateCertificate } from '../../src/certs/issuer.ts'
import { readCsr } from '../../src/certs/csr/read.ts'
import { readKeyPem } from '../../src/certs/keys.ts'
import { readCertificatesPem } from '../../src/certs/parse.ts'
import { serialNumber } from '../../src/authority/slot.ts'
import type { Upstream, UpstreamCa, UpstreamRoot } from '../../src/authority/server/upstream.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Random } from '../../src/runtime/random.ts'
import { trustDomainId } from '../../src/spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { OperatorCa } from './operator-ca.ts'

export interface UpstreamOptions {
  readonly clock: Clock
  readonly random: Random
  readonly trustDomain: TrustDomain
  readonly signing: OperatorCa
  /** What is sent after the CA certificate. */
  readonly above: readonly OperatorCa[]
  readonly roots: readonly OperatorCa[]
}

/** A server above in memory, which signs at once, and can be made to fail, to hang, or to answer something else. */
export interface FakeUpstream extends Upstream {
  roots: readonly UpstreamRoot[]
  signing: Pick<UpstreamOptions, 'signing' | 'above'>
  /** Asked for so far: what the requests were, and whether they were given up. */
  readonly asked: readonly {
    readonly csr: Buffer
    readonly ttlMs: number
    readonly signal: AbortSignal
  }[]
  failure: Error | undefined
  /** While true, it never answers. */
  hangs: boolean
  change: (answer: UpstreamCa) => UpstreamCa
  /** What a watch would tell. */
  tell(roots: readonly UpstreamRoot[]): void
  readonly watchers: number
}

const derOf = (ca: OperatorCa): Buffer => Buffer.from(ca.certificate.rawData)

export const rootOf = (ca: OperatorCa, tainted = false): UpstreamRoot => ({
  certificate: derOf(ca),
  tainted,
})

export function createUpstream(options: UpstreamOptions): FakeUpstream {
  const { clock, random, trustDomain } = options
  const asked: { csr: Buffer; ttlMs: number; signal: AbortSignal }[] = []
  const listeners = new Set<(roots: readonly UpstreamRoot[]) => void>()
  return {
    roots: options.roots.map((ca) => rootOf(ca)),
    signing: options,
    asked,
    failure: undefined,
    hangs: false,
    change: (answer) => answer,
    async newDownstreamCa(csr, ttlMs, signal) {
      asked.push({ csr, ttlMs, signal })
      if (this.failure !== undefined) throw this.failure
      if (this.hangs) await new Promise(() => {})
      const { signing, above } = this.signing
      const [own] = readCertificatesPem(signing.certPem, 'upstream')
      if (own === undefined) throw new Error('no certificate')
      const issuer = createIssuer(own, readKeyPem(signing.keyPem, 'upstream'), 'upstream')
      const certificate = await createIntermediateCertificate(issuer, readCsr(csr), {
        trustDomainId: trustDomainId(trustDomain),
        notBefore: clock.now() - 10_000,
        notAfter: clock.now() + ttlMs,
        serial: serialNumber(random),
      })
      const roots = this.roots.map((root) => root.certificate)
      return this.change({ chain: [certificate, ...above.map(derOf)], roots })
    },
    watchRoots(run) {
      const own = (roots: readonly UpstreamRoot[]): void => run(roots)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    tell(roots) {
      this.roots = roots
      for (const run of listeners) run(roots)
    },
    get watchers() {
      return listeners.size
    },
  }
}
