/** A certificate request that asks for names, as SPIRE's CLI writes one. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

interface Names {
  readonly uris?: readonly string[]
  readonly dns?: readonly string[]
}

export async function csrFor({ uris = [], dns = [] }: Names): Promise<Buffer> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as CryptoKeyPair
  const names = [
    ...uris.map((value) => ({ type: 'url' as const, value })),
    ...dns.map((value) => ({ type: 'dns' as const, value })),
  ]
  const extensions = names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: 'C=US,O=SPIRE', keys, signingAlgorithm: algorithm, extensions },
    webcrypto as Crypto,
  )
  return Buffer.from(request.rawData)
}
