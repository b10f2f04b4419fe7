/** Node attestation: the agent shows what proves its node and gets its SVID (AttestAgent). */
import { writeCsr } from '../../../../certs/csr/write.ts'
import type { KeyPair } from '../../../../certs/keys.ts'
import { Agent } from '../../../../gen/spire/api/server/agent/v1/agent_pb.js'
import { SpindleError } from '../../../../runtime/errors.ts'
import type { SecureClient } from '../../../../wire/secure-client.ts'
import type { Proof } from './proof.ts'

/**
 * A server takes the agents of one address in turn, for up to a minute: who gave up before would have taken the turn of another.
 * Then it may look the node up somewhere, or fetch a nonce from it.
 */
const DEADLINE_MS = 90_000
/** No attestation has more than one. */
const MOST_CHALLENGES = 8

export interface Attested {
  /** DER, leaf first; not looked at yet. */
  readonly chain: readonly Uint8Array[]
  readonly reattestable: boolean
}

/** @throws CallFault; SpindleError of the proof */
export async function attest(client: SecureClient, proof: Proof, key: KeyPair): Promise<Attested> {
  try {
    return await ask(client, proof, key)
  } finally {
    await proof.settle()
  }
}

async function ask(client: SecureClient, proof: Proof, key: KeyPair): Promise<Attested> {
  const [payload, csr] = await Promise.all([proof.payload(), writeCsr(key)])
  const call = client.bidi(Agent.method.attestAgent, { deadlineMs: DEADLINE_MS })
  const params = { data: { type: proof.type, payload }, params: { csr } }
  call.send({ step: { case: 'params', value: params } })
  let challenges = 0
  try {
    for await (const { step } of call.messages) {
      if (step.case === 'result') {
        call.end()
        return { chain: step.value.svid?.certChain ?? [], reattestable: step.value.reattestable }
      }
      if (step.case !== 'challenge' || ++challenges > MOST_CHALLENGES) break
      const value = await proof.answer(step.value)
      call.send({ step: { case: 'challengeResponse', value } })
    }
  } finally {
    call.cancel()
  }
  throw new SpindleError('authority_unavailable', 'the server ended the attestation without a word')
}
