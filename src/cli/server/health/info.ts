import type { GetInfoResponse } from '#spire/api/server/debug/v1/debug_pb.js'
import { Debug } from '#spire/api/server/debug/v1/debug_pb.js'
import type { Io } from '../../io.ts'
import { instantText } from '../../output.ts'
import { askServer } from '../ask.ts'
import { idText } from '../entry/print.ts'
import type { ServerOptions } from '../options.ts'
import { goDuration, lines } from '../text.ts'

export function getInfo(io: Io, options: ServerOptions): Promise<void> {
  return askServer(io, options, { method: Debug.method.getInfo, request: {}, text: infoText })
}

function infoText(info: GetInfoResponse): string {
  return lines(
    'Server Debug Info:',
    `  Uptime:                  ${goDuration(info.uptime)}`,
    `  Registered Agents:       ${info.agentsCount}`,
    `  Registration Entries:    ${info.entriesCount}`,
    `  Federated Bundles:       ${info.federatedBundlesCount}`,
    ...(info.svidChain.length === 0 ? [] : ['  SVID Chain:']),
    ...info.svidChain.flatMap(({ id, subject, expiresAt }, index) => [
      `    [${index}] SPIFFE ID:  ${id === undefined ? '(none)' : idText(id)}`,
      `        Subject:    ${subject}`,
      `        Expires At: ${instantText(Number(expiresAt) * 1000)}`,
    ]),
  )
}
