import { writeCsr } from '../../certs/csr/write.ts'
import { messageOf } from '../../runtime/errors.ts'
import { trustDomainId } from '../../spiffe/spiffe-id.ts'
import type { ServerX509Authority } from '../authority.ts'
import { pathToAnchor } from '../chain.ts'
import { digestOf } from '../disk-files.ts'
import type { AuthorityOptions, CaSlotStore, CaSource } from '../slot.ts'
import { leastLife } from '../slots/rotating-slots.ts'
import { createSlotAuthority } from '../x509-slots.ts'
import { checkedPath, usableRoots } from './answer.ts'
import { inTime } from './upstream.ts'
import type { Upstream, UpstreamRoot } from './upstream.ts'

export interface NestedOptions extends AuthorityOptions {
  readonly store: CaSlotStore
  readonly upstream: Upstream
  /** The bundle as it was kept from before, so that a restart needs no server above; empty at a first start. */
  readonly knownRoots: readonly UpstreamRoot[]
}

/**
 * An authority below that of another server of the same trust domain: its CA certificates are signed there, its anchors are
 * that server's. While that one is away, it signs with what it has. @throws SpindleError where it has nothing yet.
 */
export function createNestedAuthority(options: NestedOptions): Promise<ServerX509Authority> {
  return createSlotAuthority(createNestedSource(options), options.store, options)
}

function createNestedSource(options: NestedOptions): CaSource {
  const { clock, trustDomain, upstream, caTtlMs } = options
  const closing = new AbortController()
  let roots = options.knownRoots
  /** Heard of, and not taken over yet. */
  let heard: readonly UpstreamRoot[] | undefined
  let rootsFault: string | undefined
  const anchors = (): readonly Buffer[] => roots.map(({ certificate }) => certificate)
  return {
    kind: 'server',
    fault: () => rootsFault,
    furthest: (now) => now + caTtlMs,
    async mint(key, { notAfter }) {
      const csr = await writeCsr(key, { spiffeId: trustDomainId(trustDomain) })
      const ttlMs = notAfter - clock.now()
      const answer = await inTime(clock, closing.signal, (signal) =>
        upstream.newDownstreamCa(csr, ttlMs, signal),
      )
      const given = usableRoots(answer.roots)
      const path = checkedPath(
        { chain: answer.chain, roots: given },
        { spki: key.spki, trustDomain, now: clock.now(), leastLifeMs: leastLife(ttlMs) },
      )
      // Which are gone, or tainted, is told by the watch alone.
      const known = anchors()
      const more = given.filter((der) => !known.some((each) => each.equals(der)))
      roots = [...roots, ...more.map((certificate) => ({ certificate, tainted: false }))]
      return { certificates: path.sent, signedBy: digestOf(path.anchor) }
    },
    trusts(slot) {
      const path = pathToAnchor(slot.certificates, anchors())
      return path !== undefined && path.sent.length === slot.certificates.length
    },
    current: ({ signedBy }) =>
      roots.some(({ certificate, tainted }) => !tainted && digestOf(certificate) === signedBy),
    attached: () => undefined,
    anchors,
    taintedAnchors: () => roots.flatMap((root) => (root.tainted ? [root.certificate] : [])),
    intermediates: (slot) => slot.certificates,
    async reload() {
      if (heard === undefined) return
      const told = heard
      heard = undefined
      try {
        const usable = usableRoots(told.map(({ certificate }) => certificate))
        roots = told.filter(({ certificate }) => usable.some((der) => der.equals(certificate)))
        rootsFault = undefined
      } catch (thrown) {
        rootsFault = messageOf(thrown)
        throw thrown
      }
    },
    watch(run) {
      const stop = upstream.watchRoots((told) => {
        if (contentOf(told) === contentOf(heard ?? roots)) return
        heard = told
        run()
      })
      return () => {
        stop()
        // Whoever closes need not wait for an answer from above.
        closing.abort()
      }
    },
  }
}

const contentOf = (roots: readonly UpstreamRoot[]): string =>
  roots
    .map(({ certificate, tainted }) => `${digestOf(certificate)} ${tainted}`)
    .sort()
    .join('\n')
