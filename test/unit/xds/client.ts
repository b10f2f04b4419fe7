import type { DeltaRequest, SotwRequest } from '../../../src/xds/message.ts'
import { SECRET_TYPE_URL, type View } from '../../../src/xds/resource.ts'
import {
  initialDelta,
  initialSotw,
  stepDelta,
  stepSotw,
  type StreamEvent,
} from '../../../src/xds/stream.ts'
import { contextOf } from './view.ts'

/** A SotW stream whose steps are given as what the client says. */
export function sotw(view: View, namesPerStream?: number) {
  const context = contextOf(view, namesPerStream)
  let state = initialSotw()
  const step = (event: StreamEvent<SotwRequest>) => {
    const taken = stepSotw(state, event, context)
    const isSame = taken.state === state
    state = taken.state
    const [sent] = taken.send
    return { sent, names: sent?.resources.map(({ name }) => name), isSame, ...taken }
  }
  return {
    ask: (names: readonly string[], responseNonce = '', more: Partial<SotwRequest> = {}) => {
      const request = { names, versionInfo: '', responseNonce, typeUrl: SECRET_TYPE_URL, ...more }
      return step({ type: 'request', request })
    },
    change: (next: View) => {
      context.view = next
      return step({ type: 'view' })
    },
    deadline: (nonce: string) => step({ type: 'ack-deadline', nonce }),
  }
}

/** The same for Delta. */
export function delta(view: View, namesPerStream?: number) {
  const context = contextOf(view, namesPerStream)
  let state = initialDelta()
  const step = (event: StreamEvent<DeltaRequest>) => {
    const taken = stepDelta(state, event, context)
    const isSame = taken.state === state
    state = taken.state
    const [sent] = taken.send
    const said = sent && [...sent.resources.map(({ version }) => version), ...sent.removed]
    return { sent, said, isSame, ...taken }
  }
  return {
    say: (more: Partial<DeltaRequest>) => {
      const request = {
        subscribe: [],
        unsubscribe: [],
        initialResourceVersions: {},
        responseNonce: '',
        typeUrl: SECRET_TYPE_URL,
        ...more,
      }
      return step({ type: 'request', request })
    },
    change: (next: View) => {
      context.view = next
      return step({ type: 'view' })
    },
    deadline: (nonce: string) => step({ type: 'ack-deadline', nonce }),
  }
}

export const nack = { code: 13, message: 'Failed to load key: KEY_VALUES_MISMATCH' }
