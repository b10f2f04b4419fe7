import type { ServerLinkConfig } from '../../../../config/link/link-config.ts'
import type { Clock } from '../../../../runtime/clock.ts'
import type { Random } from '../../../../runtime/random.ts'
import { joinTokenProof } from './join-token.ts'
import type { Proof } from './proof.ts'

export function openProof(
  config: ServerLinkConfig['attest'],
  _tools: { readonly clock: Clock; readonly random: Random },
): Proof {
  if (config.kind === 'join-token') return joinTokenProof(config)
  throw new TypeError(config.kind)
}
