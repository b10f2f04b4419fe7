/** The certificates and the key of an operator's CA, out of either form its files may have. */
import { readKeyDer, readKeyPem } from '../certs/keys.ts'
import type { KeyPair } from '../certs/keys.ts'
import { parseCertificate, readCertificatesPem } from '../certs/parse.ts'
import { openPkcs12 } from '../certs/pkcs12/open.ts'
import { SpindleError } from '../runtime/errors.ts'
import { signedBy } from './chain.ts'

export interface PemMaterial {
  /** PEM: the signing certificate, then any certificates between it and the anchor. */
  readonly certFile: string
  readonly keyFile: string
  /** Permission bits of the key file. */
  readonly keyFileMode: number
}

export interface Pkcs12Material {
  readonly pkcs12File: Buffer
  readonly password: string
  /** Permission bits of the password file. */
  readonly passwordFileMode: number
}

export type DiskMaterial = (PemMaterial | Pkcs12Material) & {
  /** PEM of the trust anchors; undefined: not configured. */
  readonly bundleFile?: string
}

export interface CaMaterial {
  /** DER: the certificate of the key, then what is above it, in order. Empty: none could be read. */
  readonly chain: readonly Buffer[]
  /** undefined: it could not be read. */
  readonly key: KeyPair | undefined
}

/** Runs `read`; what it throws is one more fault. */
export type Attempt = <T>(read: () => T | Promise<T>) => Promise<T | undefined>

export const certPlace = (material: DiskMaterial): string =>
  'pkcs12File' in material ? 'authority.pkcs12File' : 'authority.certFile'

export async function readMaterial(material: DiskMaterial, attempt: Attempt): Promise<CaMaterial> {
  if ('pkcs12File' in material) return readPkcs12(material, attempt)
  const { certFile, keyFile, keyFileMode } = material
  await attempt(() => checkMode('authority.keyFile', keyFileMode, 'key'))
  const chain = await attempt(() => readCertificatesPem(certFile, 'authority.certFile'))
  const key = await attempt(() => readKeyPem(keyFile, 'authority.keyFile'))
  return { chain: chain ?? [], key }
}

/** Group read stays the operator's choice: Kubernetes gives mounted secrets to the pod's group so. */
function checkMode(place: string, mode: number, secret: string): void {
  if ((mode & 0o037) === 0) return
  const text = (mode & 0o777).toString(8).padStart(4, '0')
  const fault = `${place}: mode ${text} lets others at the ${secret}; allowed is 0600 or 0640`
  throw new SpindleError('config_invalid', fault)
}

const PLACE = 'authority.pkcs12File'

async function readPkcs12(material: Pkcs12Material, attempt: Attempt): Promise<CaMaterial> {
  const { pkcs12File, password, passwordFileMode } = material
  const passwordPlace = 'authority.passwordFile'
  await attempt(() => checkMode(passwordPlace, passwordFileMode, 'password'))
  const opened = await attempt(() =>
    openPkcs12(pkcs12File, password, { place: PLACE, passwordPlace }),
  )
  if (opened === undefined) return { chain: [], key: undefined }
  const key = await attempt(() => onlyKey(opened.keys))
  // The KeyObject has it now.
  for (const der of opened.keys) der.fill(0)
  const chain = key && (await attempt(() => chainOf(opened.certificates, key)))
  return { chain: chain ?? [], key }
}

function onlyKey(keys: readonly Buffer[]): KeyPair {
  const [key, second] = keys
  if (key === undefined) throw invalid('holds no private key')
  if (second !== undefined) throw invalid(`holds ${keys.length} private keys; one is expected`)
  return readKeyDer(key, PLACE)
}

/** Files of this form say nothing of order. The key says which certificate is the CA; what signed it follows, and so on. */
function chainOf(certificates: readonly Buffer[], key: KeyPair): readonly Buffer[] {
  const parsed = certificates.map((der) => parseCertificate(der, PLACE))
  const own = parsed
    .filter(({ x509 }) => x509.checkPrivateKey(key.privateKey))
    .toSorted((one, other) => other.notAfter - one.notAfter)
    .at(0)
  if (own === undefined) {
    throw invalid(
      certificates.length === 0
        ? 'holds no certificate'
        : 'no certificate of it belongs to its private key',
    )
  }
  const chain = [own.der]
  let left = certificates.filter((der) => !der.equals(own.der))
  for (let next: Buffer | undefined = own.der; next !== undefined;) {
    const below: Buffer = next
    next = signedBy(below, below) ? undefined : left.find((der) => signedBy(below, der))
    if (next === undefined) break
    chain.push(next)
    left = left.filter((der) => der !== next)
  }
  return chain
}

function invalid(fault: string): SpindleError {
  return new SpindleError('certificate_invalid', `${PLACE}: ${fault}`)
}
