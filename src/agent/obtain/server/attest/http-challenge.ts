import { hostname } from 'node:os'
import type { ServerLinkConfig } from '../../../../config/link/link-config.ts'
import type { ChallengeServer } from '../../../../http/challenge.ts'
import { startChallengeServer } from '../../../../http/challenge.ts'
import {
  httpChallengePath,
  readHttpChallenge,
  writeHttpChallengePlace,
  writeHttpChallengeResponse,
} from '../../../../spiffe/http-challenge.ts'
import type { Proof } from './proof.ts'

type HttpChallengeConfig = Extract<ServerLinkConfig['attest'], { kind: 'http-challenge' }>

/** What answers at a host name over HTTP: the server makes up a nonce and fetches it from there. */
export function httpChallengeProof(config: HttpChallengeConfig): Proof {
  const { agentName, advertisedPort } = config
  const hostName = config.hostname ?? hostname()
  let server: ChallengeServer | undefined
  const settle = async (): Promise<void> => {
    const open = server
    server = undefined
    await open?.close()
  }
  return {
    type: 'http_challenge',
    async payload() {
      await settle()
      server = await startChallengeServer({
        port: config.port,
        path: httpChallengePath({ agentName }),
      })
      const port = advertisedPort ?? server.port
      return writeHttpChallengePlace({ hostName, agentName, port })
    },
    async answer(challenge) {
      server?.serve(readHttpChallenge(challenge))
      return writeHttpChallengeResponse()
    },
    settle,
    advice: `the server has to reach ${hostName} over HTTP, and its nodeAttestors.httpChallenge has to allow that name and port`,
  }
}
