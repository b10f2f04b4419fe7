import type { Attested, NodeAttestor } from '../../../../../src/server/enroll/attest/attestor.ts'
import { id, selectors } from '../../../../fakes/store-values.ts'

export const NODE = id('/spire/agent/fake/node')

/** An attestor that believes what it is told, after as many challenges as the payload has bytes less one. */
export function believing(
  more: Partial<Attested> = {},
): NodeAttestor & { readonly answers: string[] } {
  const answers: string[] = []
  return {
    type: 'fake',
    answers,
    async attest(payload, challenge) {
      for (let round = 1; round < payload.length; round++)
        answers.push(Buffer.from(await challenge(Buffer.of(round))).toString())
      const known = { agentId: NODE, selectors: selectors('fake:a:1'), canReattest: true }
      return { ...known, firstUse: false, ...more }
    },
  }
}
