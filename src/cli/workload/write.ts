/** Files of what a Workload API gave, under the names that `spire-agent api fetch -write` has. */
import { resolve } from 'node:path'
import { toPem } from '../../certs/parse.ts'
import { removeFiles } from '../../os/files.ts'
import { placeFiles } from '../../os/place/place-files.ts'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { systemRandom } from '../../runtime/random.ts'
import type { X509Update } from '../../workload/x509.ts'
import { pemOf } from './certificates.ts'

export interface WrittenFile {
  readonly name: string
  readonly content: string
  readonly isSecret?: true
}

const X509_FILE = /^(?:svid\.\d+\.(?:pem|key)|bundle\.\d+\.pem|federated_bundle\.\d+\.\d+\.pem)$/

/** What an earlier answer had and this one has not is removed: it should no longer be used (Workload API 4.4). */
export function writeX509(folder: string, { svids, federatedBundles }: X509Update): void {
  // SPIRE's order, so that a number means the same from one answer to the next.
  const federated = Array.from(federatedBundles).sort(([a], [b]) => (a < b ? -1 : 1))
  const files = svids.flatMap(({ chain, privateKey, bundle }, index): readonly WrittenFile[] => [
    { name: `svid.${index}.key`, content: toPem(privateKey, 'PRIVATE KEY'), isSecret: true },
    { name: `svid.${index}.pem`, content: pemOf(chain) },
    { name: `bundle.${index}.pem`, content: pemOf(bundle) },
    ...federated.map(([, certificates], of) => ({
      name: `federated_bundle.${index}.${of}.pem`,
      content: pemOf(certificates),
    })),
  ])
  writeInto(folder, files)
  const given = new Set(files.map(({ name }) => name))
  removeFiles(resolve(folder), (name) => X509_FILE.test(name) && !given.has(name))
}

/**
 * Replaces files as one, in a folder that is made where it is missing.
 * @throws SpindleError `file_unwritable` naming the folder
 */
export function writeInto(folder: string, files: readonly WrittenFile[]): void {
  try {
    placeFiles(
      files.map(({ name, content, isSecret }) => ({
        folder: resolve(folder),
        name,
        content,
        mode: isSecret === true ? 0o600 : 0o644,
      })),
      {
        uid: process.geteuid?.() ?? 0,
        owner: { uid: undefined, gid: undefined },
        // Whoever runs the command names the folder on the spot, and knows whose it is.
        shared: true,
        unique: () => systemRandom.bytes(8).toString('hex'),
      },
    )
  } catch (thrown) {
    throw new SpindleError('file_unwritable', `--write ${folder}: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
}
