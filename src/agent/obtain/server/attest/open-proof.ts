import type { ServerLinkConfig } from '../../../../config/link/link-config.ts'
import type { Random } from '../../../../runtime/random.ts'
import { httpChallengeProof } from './http-challenge.ts'
import { joinTokenProof } from './join-token.ts'
import type { Proof } from './proof.ts'
import { x509popProof } from './x509pop.ts'

export function openProof(config: ServerLinkConfig['attest'], random: Random): Proof {
  switch (config.kind) {
    case 'join-token':
      return joinTokenProof(config)
    case 'x509pop':
      return x509popProof(config, random)
    case 'http-challenge':
      return httpChallengeProof(config)
  }
}
