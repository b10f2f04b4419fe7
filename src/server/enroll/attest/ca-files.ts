/** The operator's CAs for the certificates of nodes, as their files have them. */
import { readTrustAnchorsPem } from '../../../certs/parse.ts'
import { watchFile } from '../../../os/watch.ts'
import type { FileReading } from '../../../os/watch.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError, messageOf } from '../../../runtime/errors.ts'
import type { Log } from '../../../telemetry/log.ts'

export interface CaFiles {
  /** DER. */
  anchors(): readonly Uint8Array[]
  /** Looks at the files now. */
  check(): void
  close(): void
}

/** A thousand certificates. */
const MOST_BYTES = 4 * 2 ** 20

/**
 * A file that is changed to what cannot be used leaves what it held before in force.
 * @throws SpindleError `config_invalid` where one cannot be used from the beginning
 */
export function openCaFiles(
  paths: readonly string[],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): CaFiles {
  const held = new Map<string, readonly Uint8Array[]>()
  /** @returns what is unusual, which of the first reading has been said of the configuration */
  const take = (path: string, reading: FileReading): readonly string[] => {
    if ('fault' in reading) throw new SpindleError('config_invalid', reading.fault)
    const { anchors, warnings } = readTrustAnchorsPem(reading.text, path)
    const ders = anchors.map(({ der }) => der)
    held.set(path, ders)
    return warnings
  }
  const changed = (path: string, reading: FileReading): void => {
    try {
      for (const warning of take(path, reading))
        log.warn({ file: path, warning }, 'CA of nodes is unusual')
      log.info({ file: path, count: held.get(path)?.length }, 'CAs of nodes read again')
    } catch (thrown) {
      const fault = messageOf(thrown)
      log.error({ file: path, error: fault }, 'CAs of nodes not usable: the last good ones stay')
    }
  }
  const watches = paths.map((path) =>
    watchFile(path, {
      clock,
      maxBytes: MOST_BYTES,
      changed: (reading) => changed(path, reading),
    }),
  )
  const close = (): void => watches.forEach((watch) => watch.close())
  try {
    watches.forEach(({ current }, index) => take(paths[index]!, current))
  } catch (thrown) {
    close()
    throw new SpindleError('config_invalid', `nodeAttestors.x509pop: ${messageOf(thrown)}`)
  }
  return {
    anchors: () => Array.from(held.values()).flat(),
    check: () => watches.forEach((watch) => watch.check()),
    close,
  }
}
