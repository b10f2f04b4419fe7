import { createIntermediateCertificate } from '../certs/issuer.ts'
import { parseCertificate } from '../certs/parse.ts'
import { SpindleError } from '../runtime/errors.ts'
import { trustDomainId } from '../spiffe/spiffe-id.ts'
import type { ServerX509Authority } from './authority.ts'
import { pathToAnchor } from './chain.ts'
import { attachedCa, digestOf, endingFault } from './disk-files.ts'
import type { AttachedCa, DiskFiles } from './disk-files.ts'
import type { AuthorityOptions, CaSlotStore, CaSource } from './slot.ts'
import { createSlotAuthority } from './x509-slots.ts'

export interface DiskOptions extends AuthorityOptions {
  readonly store: CaSlotStore
  readonly files: DiskFiles
  readonly svidTtlMs: number
}

/**
 * An authority under an operator's CA: its own short-lived intermediates, signed by the operator's certificate; the
 * anchors are the operator's and change only when the files do. @throws SpindleError `config_invalid` with every fault.
 */
export async function createDiskAuthority(options: DiskOptions): Promise<ServerX509Authority> {
  const source = createDiskSource(options)
  await source.reload()
  return createSlotAuthority(source, options.store, options)
}

function createDiskSource(options: DiskOptions): CaSource {
  const { clock, files, svidTtlMs, caTtlMs } = options
  let attached: AttachedCa | undefined
  let fileFault: string | undefined
  const ca = (): AttachedCa => {
    if (attached !== undefined) return attached
    throw new SpindleError('internal', 'the attached CA is used before it was read')
  }
  return {
    kind: 'disk',
    fault: (now) => fileFault ?? endingFault(ca(), { now, svidTtlMs }),
    furthest: (now) => Math.min(now + caTtlMs, ca().notAfter),
    async mint(key, request) {
      const { issuer, sent, notAfter } = ca()
      const { notBefore, serial } = request
      const wanted = {
        trustDomainId: trustDomainId(options.trustDomain),
        notBefore,
        notAfter: Math.min(request.notAfter, notAfter),
        serial,
      }
      const certificate = await createIntermediateCertificate(issuer, key, wanted)
      return { certificates: [certificate, ...sent], signedBy: digestOf(issuer.certificate) }
    },
    trusts(slot) {
      const path = pathToAnchor(slot.certificates, ca().anchors)
      if (path === undefined || path.sent.length !== slot.certificates.length) return false
      return parseCertificate(path.anchor, 'authority.bundleFile').notAfter >= slot.notAfter
    },
    current: (slot) => slot.signedBy === digestOf(ca().issuer.certificate),
    attached: () => ({ notBefore: ca().notBefore, notAfter: ca().notAfter }),
    anchors: () => ca().anchors,
    taintedAnchors: () => [],
    intermediates: (slot) => slot.certificates,
    async reload() {
      try {
        const read = await attachedCa(await files.read(), { now: clock.now(), svidTtlMs })
        attached = read
        fileFault = undefined
      } catch (thrown) {
        const fault =
          thrown instanceof SpindleError
            ? thrown
            : new SpindleError('config_invalid', 'authority: the CA files cannot be read', {
                cause: thrown,
              })
        fileFault = fault.message
        throw fault
      }
    },
    watch: (run) => files.watch(run),
  }
}
