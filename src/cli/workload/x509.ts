/** `spindle workload x509`, and what `watch` shows of the same. */
import { systemClock } from '../../runtime/clock.ts'
import { trustDomainId, trustDomainOf } from '../../spiffe/spiffe-id.ts'
import type { X509Svid, X509Update } from '../../workload/x509.ts'
import type { Io } from '../io.ts'
import type { Cell } from '../output.ts'
import { instantText, renderPlain, table } from '../output.ts'
import { CERTIFICATE_HEAD, certificateCells, shownCertificate } from './certificates.ts'
import type { AskWorkload } from './client.ts'
import { askWorkload, tellNotes } from './client.ts'
import { writeX509 } from './write.ts'

export async function showX509(
  io: Io,
  options: AskWorkload & { readonly write?: string; readonly silent?: true },
): Promise<void> {
  const update = await askWorkload(io, options, (client) => client.fetchX509())
  if (options.write !== undefined) writeX509(options.write, update)
  if (options.silent === true) return
  if (options.output === 'table') io.out(x509Table(update, systemClock.now()))
  else io.out(renderPlain(options.output, x509Json(update)))
  tellNotes(io, update.notes)
}

function x509Table(update: X509Update, now: number): string {
  const rows = update.svids.flatMap((svid) => svidRows(svid, now))
  const own = new Map(
    update.svids.map(({ spiffeId, bundle }) => [trustDomainOf(spiffeId), bundle] as const),
  )
  const bundles = (kind: string, of: typeof update.federatedBundles): Cell[][] =>
    Array.from(of).flatMap(([trustDomain, certificates]) =>
      certificates.map((der) => [
        trustDomainId(trustDomain),
        '',
        kind,
        ...certificateCells(der, now),
      ]),
    )
  return table(
    ['SPIFFE ID', 'HINT', 'KIND', ...CERTIFICATE_HEAD],
    [...rows, ...bundles('authority', own), ...bundles('federated', update.federatedBundles)],
  )
}

function svidRows({ spiffeId, hint, chain }: X509Svid, now: number): Cell[][] {
  return chain.map((der, index) => [
    spiffeId,
    hint,
    index === 0 ? 'svid' : 'intermediate',
    ...certificateCells(der, now),
  ])
}

/** Everything but the private keys. */
export function x509Json({ svids, federatedBundles }: X509Update): object {
  return {
    svids: svids.map(({ spiffeId, hint, notBefore, notAfter, chain, bundle }) => ({
      spiffeId,
      hint,
      notBefore: instantText(notBefore),
      notAfter: instantText(notAfter),
      certificates: chain.map(shownCertificate),
      bundle: bundle.map(shownCertificate),
    })),
    federatedBundles: Object.fromEntries(
      Array.from(federatedBundles, ([trustDomain, certificates]) => [
        trustDomain,
        certificates.map(shownCertificate),
      ]),
    ),
  }
}
