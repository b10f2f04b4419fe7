import 'reflect-metadata'
import { createPrivateKey } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { DiskFiles, DiskMaterial } from '../../src/authority/disk-files.ts'

/** A CA certificate as an operator would have it, made by the general library and not by what is under test. */
export interface OperatorCa {
  readonly certPem: string
  readonly keyPem: string
  readonly certificate: x509.X509Certificate
  readonly keys: CryptoKeyPair
}

export interface OperatorCaOptions {
  readonly name: string
  /** ms since the epoch */
  readonly notBefore: number
  readonly notAfter: number
  readonly by?: OperatorCa
  readonly pathLen?: number
  readonly ca?: boolean
  readonly keys?: CryptoKeyPair
  /** false: names alone tie it to its issuer, as in old CAs. */
  readonly keyIdentifiers?: boolean
}

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export async function createOperatorCa(options: OperatorCaOptions): Promise<OperatorCa> {
  const keys = options.keys ?? (await crypto.subtle.generateKey(P256, true, ['sign', 'verify']))
  const by = options.by
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: '0102030405',
    subject: `CN=${options.name}`,
    issuer: by?.certificate.subject ?? `CN=${options.name}`,
    notBefore: new Date(options.notBefore),
    notAfter: new Date(options.notAfter),
    signingAlgorithm: P256,
    publicKey: keys.publicKey,
    signingKey: by?.keys.privateKey ?? keys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(options.ca ?? true, options.pathLen, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      ...(options.keyIdentifiers === false
        ? []
        : [
            await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
            await x509.AuthorityKeyIdentifierExtension.create(by?.keys.publicKey ?? keys.publicKey),
          ]),
    ],
  })
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  return {
    certPem: `${certificate.toString('pem')}\n`,
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate,
    keys,
  }
}

/** The files of a `disk` authority in memory. */
export interface MemoryDiskFiles extends DiskFiles {
  material: DiskMaterial
  readFault: Error | undefined
  /** What a watcher would tell. */
  touch(): void
  readonly watchers: number
}

export function createDiskFiles(material: DiskMaterial): MemoryDiskFiles {
  const listeners = new Set<() => void>()
  return {
    material,
    readFault: undefined,
    read() {
      if (this.readFault !== undefined) throw this.readFault
      return this.material
    },
    watch(run) {
      const own = (): void => run()
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    touch() {
      for (const run of listeners) run()
    },
    get watchers() {
      return listeners.size
    },
  }
}
