/** Many clients, each one stream on a connection of its own, that acknowledge what comes and keep the newest. */
import { X509Certificate } from 'node:crypto'
import type { SdsClient, SdsStreamClient, Received } from '../e2e/rig/sds-client.ts'
import { createSdsClient } from '../e2e/rig/sds-client.ts'
import { rootsOf } from '../e2e/rig/peer.ts'

export interface Member {
  /** The newest certificate chain; '' before the first. */
  readonly chain: string
  /** The newest trust anchors. */
  readonly roots: string
  /** Certificates that came, ever. */
  readonly certificates: number
  /** How often its stream ended; it opens another each time. */
  readonly drops: number
  /** When the newest certificate came (ms, monotonic). */
  readonly arrivedAt: number
}

export interface Crowd {
  readonly members: readonly Member[]
  close(): void
}

const REOPEN_MS = 20

export function startCrowd(socket: string, size: number): Crowd {
  const members = Array.from({ length: size }, () => new CrowdMember(socket))
  return {
    members,
    close() {
      for (const member of members) member.close()
    },
  }
}

class CrowdMember implements Member {
  chain = ''
  roots = ''
  certificates = 0
  drops = 0
  arrivedAt = 0
  readonly #client: SdsClient
  #stream: SdsStreamClient | undefined
  #closed = false

  constructor(socket: string) {
    this.#client = createSdsClient(socket)
    this.#open()
  }

  close(): void {
    this.#closed = true
    this.#stream?.close()
    this.#client.close()
  }

  #open(): void {
    if (this.#closed) return
    const stream = this.#client.delta({
      message: (message) => {
        this.#take(message)
        stream.ack(message)
      },
      ended: () => {
        if (this.#closed) return
        this.drops += 1
        setTimeout(() => this.#open(), REOPEN_MS)
      },
    })
    this.#stream = stream
    stream.subscribe('default', 'ROOTCA')
  }

  #take({ secrets }: Received): void {
    for (const secret of secrets) {
      const { type } = secret
      if (type.case !== 'tlsCertificate') this.roots = rootsOf(secret)
      else if (type.value.certificateChain?.specifier.case === 'inlineBytes') {
        this.chain = Buffer.from(type.value.certificateChain.specifier.value).toString()
        this.certificates += 1
        this.arrivedAt = performance.now()
      }
    }
  }
}

/** What is wrong between any certificate of the crowd and any anchors of it: each has to verify under all. */
export function crowdFaults({ members }: Crowd): readonly string[] {
  const chains = new Set(members.map(({ chain }) => chain).filter(Boolean))
  const bundles = new Set(members.map(({ roots }) => roots).filter(Boolean))
  const faults: string[] = []
  for (const chain of chains) {
    const leaf = new X509Certificate(chain)
    if (Date.now() >= leaf.validToDate.getTime()) faults.push(`${leaf.serialNumber} has expired`)
    for (const bundle of bundles) {
      const anchors = bundle.match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? []
      const signed = anchors.some((pem) => leaf.verify(new X509Certificate(pem).publicKey))
      if (!signed)
        faults.push(`${leaf.serialNumber} is signed by none of ${anchors.length} anchors`)
    }
  }
  return faults
}
