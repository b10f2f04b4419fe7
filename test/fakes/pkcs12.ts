/** PKCS#12 files and what goes into them, made by openssl and not by what is under test. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export interface Pkcs12Parts {
  /** PEM */
  readonly key?: string
  /** PEM: that of the key, then any number of others, as one text. */
  readonly certificates: string
  readonly password: string
  /** Such as `-legacy`. */
  readonly args?: readonly string[]
}

/** undefined: this openssl cannot. */
export function makePkcs12(t: TestContext, parts: Pkcs12Parts): Buffer | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-pkcs12-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const at = (name: string): string => join(folder, name)
  writeFileSync(at('certificates.pem'), parts.certificates)
  writeFileSync(at('key.pem'), parts.key ?? '')
  const run = spawnSync(
    'openssl',
    [
      ['pkcs12', '-export', '-in', at('certificates.pem'), '-out', at('out.p12')],
      parts.key === undefined ? ['-nokeys'] : ['-inkey', at('key.pem')],
      ['-passout', 'env:PKCS12_PASSWORD', ...(parts.args ?? [])],
    ].flat(),
    { encoding: 'utf8', env: { ...process.env, PKCS12_PASSWORD: parts.password } },
  )
  return run.status === 0 ? readFileSync(at('out.p12')) : undefined
}
