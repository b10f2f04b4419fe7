/** `spindle workload bundles`. */
import { systemClock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import { jwkSetText } from '../../workload/bundles.ts'
import type { JwtBundlesUpdate } from '../../workload/jwt.ts'
import type { X509BundlesUpdate } from '../../workload/x509.ts'
import type { Io } from '../io.ts'
import type { Cell } from '../output.ts'
import { renderPlain, table } from '../output.ts'
import { CERTIFICATE_HEAD, certificateCells, pemOf, shownCertificate } from './certificates.ts'
import type { AskWorkload } from './client.ts'
import { askWorkload, tellNotes } from './client.ts'
import type { WrittenFile } from './write.ts'
import { writeInto } from './write.ts'

/** Of one kind, or the reason why there are none: an operator may switch a profile off (Workload API 1). */
type Answer<T> = T | SpindleError

export async function showBundles(
  io: Io,
  options: AskWorkload & { readonly write?: string },
): Promise<void> {
  const [x509, jwt] = await askWorkload(io, options, (client) =>
    Promise.all([
      orUnsupported(client.fetchX509Bundles()),
      orUnsupported(client.fetchJwtBundles()),
    ]),
  )
  if (x509 instanceof SpindleError && jwt instanceof SpindleError) throw x509
  const bundles = {
    x509: x509 instanceof SpindleError ? new Map() : x509.bundles,
    jwt: jwt instanceof SpindleError ? new Map() : jwt.bundles,
  }
  if (options.write !== undefined) writeBundles(options.write, bundles)
  if (options.output === 'table') io.out(bundlesTable(bundles, systemClock.now()))
  else io.out(renderPlain(options.output, bundlesJson(bundles)))
  for (const answer of [x509, jwt])
    tellNotes(io, answer instanceof SpindleError ? [answer.message] : answer.notes)
}

async function orUnsupported<T>(question: Promise<T>): Promise<Answer<T>> {
  try {
    return await question
  } catch (thrown) {
    if (thrown instanceof SpindleError && thrown.code === 'unsupported') return thrown
    throw thrown
  }
}

interface Bundles {
  readonly x509: X509BundlesUpdate['bundles']
  readonly jwt: JwtBundlesUpdate['bundles']
}

const trustDomains = ({ x509, jwt }: Bundles): readonly TrustDomain[] =>
  [...new Set([...x509.keys(), ...jwt.keys()])].sort()

function bundlesTable(bundles: Bundles, now: number): string {
  const rows = trustDomains(bundles).flatMap((trustDomain): Cell[][] => [
    ...(bundles.x509.get(trustDomain) ?? []).map((der) => [
      trustDomain,
      'x509',
      shownCertificate(der).subjectKeyId,
      ...certificateCells(der, now),
    ]),
    ...(bundles.jwt.get(trustDomain) ?? []).map((jwk) => [
      trustDomain,
      'jwt',
      String(jwk['kid']),
      ...CERTIFICATE_HEAD.map(() => ''),
    ]),
  ])
  return table(['TRUST DOMAIN', 'KIND', 'KEY', ...CERTIFICATE_HEAD], rows)
}

function bundlesJson(bundles: Bundles): object {
  const of = (trustDomain: TrustDomain): object => ({
    x509Authorities: (bundles.x509.get(trustDomain) ?? []).map(shownCertificate),
    jwtAuthorities: bundles.jwt.get(trustDomain) ?? [],
  })
  return {
    bundles: Object.fromEntries(trustDomains(bundles).map((name) => [name, of(name)])),
  }
}

/** By trust domain: which of them is the own one, the answer does not say. */
function writeBundles(folder: string, { x509, jwt }: Bundles): void {
  const files: readonly WrittenFile[] = [
    ...Array.from(x509, ([trustDomain, certificates]) => ({
      name: `bundle.${trustDomain}.pem`,
      content: pemOf(certificates),
    })),
    ...Array.from(jwt, ([trustDomain, keys]) => ({
      name: `bundle.${trustDomain}.jwks.json`,
      content: jwkSetText(keys),
    })),
  ]
  writeInto(folder, files)
}
