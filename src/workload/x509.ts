/** X.509 answers of a Workload API, checked: what is passed on has been read, and fits together (Workload API 5). */
import type {
  X509BundlesResponse,
  X509SVID,
  X509SVIDResponse,
} from '#spiffe/workload/workload_pb.js'
import { parseCertificate, readKeyOf } from '../certs/parse.ts'
import { splitDer } from '../spiffe/der.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { parseSpiffeId, trustDomainOf } from '../spiffe/spiffe-id.ts'
import { spiffeIdOf } from '../spiffe/x509-svid.ts'
import type { X509Bundles } from './bundles.ts'
import { readBundleMap, readX509Bundle } from './bundles.ts'
import type { Notes } from './reading.ts'
import { firstOfEachHint, reading } from './reading.ts'

export interface X509Svid {
  readonly spiffeId: SpiffeId
  /** What the agent calls it among those of one caller; '' for none. */
  readonly hint: string
  /** DER, leaf first. */
  readonly chain: readonly Buffer[]
  /** DER PKCS#8, unencrypted. Secret. */
  readonly privateKey: Buffer
  /** The authorities of its own trust domain, DER. */
  readonly bundle: readonly Buffer[]
  /** Of the leaf, ms since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
}

/** All that a caller has, never a change of it (4.3): what is not in it any more is not to be used any more (4.4). */
export interface X509Update {
  /** The first is the default one (8). */
  readonly svids: readonly [X509Svid, ...X509Svid[]]
  /** Of other trust domains. */
  readonly federatedBundles: X509Bundles
  /** What was passed over, one line each. */
  readonly notes: readonly string[]
}

export interface X509BundlesUpdate {
  /** At least one. */
  readonly bundles: X509Bundles
  readonly notes: readonly string[]
}

/** An SVID has two or three certificates. */
const MOST_IN_CHAIN = 16

/** @throws SpindleError `agent_failed`: the response is to be discarded (4.5) */
export function readX509(response: X509SVIDResponse): X509Update {
  return reading('the response with X.509-SVIDs', (notes) => {
    const read = response.svids.map((svid, index) => readSvid(svid, index, notes))
    const [first, ...others] = firstOfEachHint(read, notes)
    if (first === undefined) throw new Error('it has no SVID')
    const federatedBundles = readBundles(response.federatedBundles, notes)
    return { svids: [first, ...others], federatedBundles, notes: notes.lines }
  })
}

/** @throws SpindleError `agent_failed`: the response is to be discarded (4.5) */
export function readX509Bundles(response: X509BundlesResponse): X509BundlesUpdate {
  return reading('the response with X.509 bundles', (notes) => {
    const bundles = readBundles(response.bundles, notes)
    if (bundles.size === 0) throw new Error('it has no bundle')
    return { bundles, notes: notes.lines }
  })
}

function readBundles(map: Readonly<Record<string, Uint8Array>>, notes: Notes): X509Bundles {
  return readBundleMap(map, (trustDomain, bytes) => readX509Bundle(trustDomain, bytes, notes))
}

/** All fields but the hint must be there (5.2.1). */
function readSvid(svid: X509SVID, index: number, notes: Notes): X509Svid {
  const place = `SVID ${index + 1}`
  const spiffeId = parseSpiffeId(svid.spiffeId)
  const chain = splitDer(svid.x509Svid, MOST_IN_CHAIN)?.map((der, at) =>
    parseCertificate(der, `${place}: certificate ${at + 1}`),
  )
  const leaf = chain?.[0]
  if (chain === undefined || leaf === undefined)
    throw new Error(`${place} has no DER certificates in x509_svid`)
  const named = spiffeIdOf(leaf)
  if (named !== spiffeId) throw new Error(`${place} is given as ${spiffeId}, and is ${named}`)
  if (svid.x509SvidKey.length === 0) throw new Error(`${place} has no x509_svid_key`)
  readKeyOf(leaf.x509, svid.x509SvidKey)
  const bundle = readX509Bundle(trustDomainOf(spiffeId), svid.bundle, notes)
  if (bundle === undefined) throw new Error(`${place} has no bundle`)
  return {
    spiffeId,
    hint: svid.hint,
    chain: chain.map(({ der }) => der),
    privateKey: Buffer.from(svid.x509SvidKey),
    bundle,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
  }
}
