/** An answer of the agent, and what is said of it before the facts. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { explanation } from '../../../../../src/cli/sds/explain/explanation.ts'
import type { ExplainResponse } from '../../../../../src/gen/spindle/admin/v1/admin_pb.js'
import { ExplainResponseSchema } from '../../../../../src/gen/spindle/admin/v1/admin_pb.js'

export const NOW = Date.UTC(2030, 0, 1, 12)
export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const at = (ms: number) => timestampFromMs(NOW + ms)

export type Answer = Exclude<MessageInitShape<typeof ExplainResponseSchema>, ExplainResponse>

/** What is said before the facts, in paragraphs. */
export function told(answer: Answer, name = ''): readonly string[] {
  const message = create(ExplainResponseSchema, { pid: 58, uid: 1000, ...answer })
  const text = explanation({ answer: message, name, now: NOW })
  const paragraphs = text.split('\n\n')
  return paragraphs.slice(
    0,
    paragraphs.findIndex((each) => each.startsWith('pid ')),
  )
}

export const CONNECTED: Answer = {
  connections: [
    { id: 'c1', connectedAt: at(-MINUTE), streams: 1, nodeId: 'web-1', envoyVersion: '1.40.0' },
  ],
}
export const WEB = {
  spiffeId: 'spiffe://example.org/web',
  default: true,
  names: ['default', 'spiffe://example.org/web'],
  expiresAt: at(50 * MINUTE),
  renewAt: at(20 * MINUTE),
}
export const HELD = {
  name: 'default',
  kind: 'svid',
  state: 'acknowledged',
  variant: 'delta',
  version: '0123456789abcdef',
  acknowledgedVersion: '0123456789abcdef',
  sentAt: at(-10 * SECOND),
  answeredAt: at(-10 * SECOND + 8),
  expiresAt: at(50 * MINUTE),
}
export const HAS_WEB: Answer = {
  ...CONNECTED,
  entries: [WEB],
  bundleNames: ['ROOTCA', 'ALL'],
  nameState: 'present',
  nameWhy: 'the X.509-SVID of spiffe://example.org/web',
}

/** Granted, and not issued yet. */
export const UNISSUED_WEB = { spiffeId: WEB.spiffeId, default: true, names: WEB.names }
/** Asked for, and nothing sent yet. */
export const UNSENT = { name: 'default', state: 'pending', variant: 'delta' }
