import { join } from 'node:path'
import { Bundle } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { writeCsr } from '../../../certs/csr/write.ts'
import { generateKey } from '../../../certs/keys.ts'
import { toPem } from '../../../certs/parse.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { parseSpiffeId } from '../../../spiffe/spiffe-id.ts'
import type { Io } from '../../io.ts'
import { renderPlain } from '../../output.ts'
import { writeInto } from '../../workload/write.ts'
import { withServer } from '../ask.ts'
import type { MintOptions } from '../given.ts'
import { sayWhenCapped } from './capped.ts'

interface Minted {
  readonly chain: readonly Uint8Array[]
  readonly privateKey: Uint8Array
  readonly roots: readonly Uint8Array[]
  /** Seconds since 1970. */
  readonly expiresAt: bigint
}

/** The key is made here, and the server never has it. */
export async function mintX509(
  io: Io,
  options: MintOptions & { readonly dns?: readonly string[] },
): Promise<void> {
  const { ttl, write, output, dns = [] } = options
  const key = await generateKey('ec-p256')
  const csr = await writeCsr(key, { spiffeId: parseSpiffeId(options.spiffeId), dnsNames: dns })
  const minted = await withServer(options, async (server): Promise<Minted> => {
    const { svid } = await server.call(SVID.method.mintX509SVID, { csr, ttl })
    const bundle = await server.call(Bundle.method.getBundle, {})
    if (svid === undefined || svid.certChain.length === 0)
      throw new SpindleError('internal', 'the server answered without an X.509-SVID')
    return {
      chain: svid.certChain,
      privateKey: key.pkcs8,
      roots: bundle.x509Authorities.map(({ asn1 }) => asn1),
      expiresAt: svid.expiresAt,
    }
  })
  sayWhenCapped(io, { what: 'X509-SVID', ttl, expiresAt: minted.expiresAt })
  if (write !== undefined) writeMinted(io, write, minted)
  else if (output === 'table') io.out(mintedText(minted))
  else io.out(renderPlain(output, mintedJson(minted)))
}

const pemOf = (certificates: readonly Uint8Array[]): string =>
  certificates.map((der) => toPem(der, 'CERTIFICATE')).join('')

function writeMinted(io: Io, folder: string, { chain, privateKey, roots }: Minted): void {
  writeInto(folder, [
    { name: 'key.pem', content: toPem(privateKey, 'PRIVATE KEY'), isSecret: true },
    { name: 'svid.pem', content: pemOf(chain) },
    { name: 'bundle.pem', content: pemOf(roots) },
  ])
  io.out(`X509-SVID written to ${join(folder, 'svid.pem')}\n`)
  io.out(`Private key written to ${join(folder, 'key.pem')}\n`)
  io.out(`Root CAs written to ${join(folder, 'bundle.pem')}\n`)
}

function mintedText({ chain, privateKey, roots }: Minted): string {
  const key = toPem(privateKey, 'PRIVATE KEY')
  return `X509-SVID:\n${pemOf(chain)}\nPrivate key:\n${key}\nRoot CAs:\n${pemOf(roots)}\n`
}

function mintedJson({ chain, privateKey, roots }: Minted): Readonly<Record<string, unknown>> {
  const base64 = (der: Uint8Array): string => Buffer.from(der).toString('base64')
  return {
    x509_svid: chain.map(base64),
    private_key: base64(privateKey),
    root_cas: roots.map(base64),
  }
}
