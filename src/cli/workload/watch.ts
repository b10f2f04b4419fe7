/** `spindle workload watch`: a line for each state of the X.509-SVIDs and bundles, until Ctrl-C. */
import { systemClock } from '../../runtime/clock.ts'
import { keepAlive } from '../../runtime/keep-alive.ts'
import { trustDomainOf } from '../../spiffe/spiffe-id.ts'
import type { WatchFault } from '../../workload/watch.ts'
import type { X509Update } from '../../workload/x509.ts'
import { untilInterrupted } from '../interrupt.ts'
import type { Format, Io } from '../io.ts'
import { fromNowText, instantText, renderPlain } from '../output.ts'
import type { AskWorkload } from './client.ts'
import { askWorkload, tellNotes } from './client.ts'
import { writeX509 } from './write.ts'
import { x509Json } from './x509.ts'

export async function watchX509(
  io: Io,
  options: AskWorkload & { readonly write?: string },
): Promise<void> {
  const { signal, restore } = untilInterrupted(io)
  const mayEnd = keepAlive()
  let told = ''
  try {
    await askWorkload(io, options, (client) =>
      client.watchX509({
        signal,
        onUpdate(update) {
          if (options.write !== undefined) writeX509(options.write, update)
          io.out(shown(update, options.output, systemClock.now()))
          tellNotes(io, update.notes)
          told = ''
        },
        onFault(fault) {
          const text = faultText(fault, options.write !== undefined)
          // Said once, not at each attempt.
          if (text !== told) io.err(`${instantText(systemClock.now())}  ${text}\n`)
          told = text
        },
      }),
    )
  } finally {
    mayEnd()
    restore()
  }
}

function shown(update: X509Update, format: Format, now: number): string {
  if (format === 'table') return `${instantText(now)}  ${updateText(update, now)}\n`
  const json = { time: instantText(now), ...x509Json(update) }
  return format === 'json' ? `${JSON.stringify(json)}\n` : `---\n${renderPlain('yaml', json)}`
}

/** `spiffe://example.org/web expires in 59m 59s; bundles: example.org 1, partner.test 2` */
function updateText({ svids, federatedBundles }: X509Update, now: number): string {
  const texts = svids.map(
    ({ spiffeId, hint, notAfter }) =>
      `${spiffeId}${hint === '' ? '' : ` (${hint})`} expires ${fromNowText(notAfter, now)}`,
  )
  const bundles = new Map([
    ...svids.map(({ spiffeId, bundle }) => [trustDomainOf(spiffeId), bundle] as const),
    ...federatedBundles,
  ])
  const sizes = Array.from(bundles, ([name, certificates]) => `${name} ${certificates.length}`)
  return `${texts.join(', ')}; bundles: ${sizes.join(', ')}`
}

function faultText({ error, isDenied, retryInMs }: WatchFault, writes: boolean): string {
  const text = `${error.message} (${error.code})`
  if (retryInMs === undefined) return text
  const kept = isDenied && writes ? '; what is written stays until it expires' : ''
  return `${text}; it is asked again${kept}`
}
