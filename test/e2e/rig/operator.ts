/** A CA as an operator has it: made by OpenSSL, kept in PEM files. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Operator {
  /** Makes `NAME.pem` and `NAME.key` (mode 0600) in the folder; self-signed unless `by` another. */
  ca(
    name: string,
    options?: { readonly by?: string; readonly days?: number; readonly pathLen?: number },
  ): void
  /** What `openssl verify` says of a chain (leaf first) by the anchors of a file: `OK`, or the first error. */
  verify(chain: string, anchors: string): string
  path(file: string): string
}

const openssl = (args: readonly string[]): string =>
  execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

export function createOperator(folder: string): Operator {
  const path = (file: string): string => join(folder, file)
  return {
    path,
    ca(name, { by, days = 30, pathLen } = {}) {
      const [key, cert, request] = [path(`${name}.key`), path(`${name}.pem`), path(`${name}.csr`)]
      openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key])
      const extensions = path(`${name}.cnf`)
      const constraint = pathLen === undefined ? '' : `,pathlen:${pathLen}`
      writeFileSync(
        extensions,
        `basicConstraints=critical,CA:TRUE${constraint}\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n`,
      )
      openssl(['req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request])
      const signer =
        by === undefined
          ? ['-signkey', key]
          : ['-CA', path(`${by}.pem`), '-CAkey', path(`${by}.key`), '-CAcreateserial']
      const input = ['-in', request, '-extfile', extensions, '-days', String(days)]
      openssl(['x509', '-req', ...input, ...signer, '-out', cert])
    },
    verify(chain, anchors) {
      const file = path('presented.pem')
      writeFileSync(file, chain)
      try {
        openssl([
          'verify',
          '-no-CApath',
          '-no-CAstore',
          '-CAfile',
          anchors,
          '-untrusted',
          file,
          file,
        ])
        return 'OK'
      } catch (thrown) {
        return String((thrown as { stderr?: string }).stderr ?? thrown)
      }
    },
  }
}
