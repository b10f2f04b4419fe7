/** What the agent says to a caller that says anything: its own identities, and nothing of others. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { fromBinary } from '@bufbuild/protobuf'
import {
  JWTBundlesResponseSchema,
  JWTSVIDResponseSchema,
  ValidateJWTSVIDResponseSchema,
  X509BundlesResponseSchema,
  X509SVIDResponseSchema,
} from '../../../src/gen/spiffe/workload/workload_pb.js'
import { AUDIENCE } from '../jwt/keys.ts'
import type { Call, Known } from './requests.ts'
import { OWN_IDS } from './requests.ts'

export interface Answer {
  /** Of ValidateJWTSVID. */
  readonly spiffeId?: string
}

const TRUST_DOMAINS = ['spiffe://agent.test', 'spiffe://example.org', 'spiffe://other.org']
const MOST_TOKENS = 200

/** @throws AssertionError where it is not as it must be */
export function readAnswer(call: Call, message: Buffer, known: Known): Answer {
  switch (call.rpc) {
    case 'FetchX509SVID': {
      const { svids, federatedBundles } = fromBinary(X509SVIDResponseSchema, message)
      assert.deepEqual(
        svids.map(({ spiffeId }) => spiffeId),
        OWN_IDS,
      )
      for (const { spiffeId, x509Svid } of svids)
        assert.equal(new X509Certificate(x509Svid).subjectAltName, `URI:${spiffeId}`)
      expectOnly(federatedBundles)
      return {}
    }
    case 'FetchX509Bundles':
      expectOnly(fromBinary(X509BundlesResponseSchema, message).bundles)
      return {}
    case 'FetchJWTBundles':
      expectOnly(fromBinary(JWTBundlesResponseSchema, message).bundles)
      return {}
    case 'FetchJWTSVID': {
      const { svids } = fromBinary(JWTSVIDResponseSchema, message)
      assert(svids.length > 0)
      for (const { spiffeId, svid } of svids) keep(spiffeId, svid, { call, known })
      return {}
    }
    case 'ValidateJWTSVID': {
      const { spiffeId, claims } = fromBinary(ValidateJWTSVIDResponseSchema, message)
      assert.equal(claims?.['sub'], spiffeId)
      return { spiffeId }
    }
    default:
      return assert.fail(`${call.path} was answered`)
  }
}

function expectOnly(bundles: Readonly<Record<string, unknown>>): void {
  const names = Object.keys(bundles)
  assert.deepEqual(
    names.filter((name) => !TRUST_DOMAINS.includes(name)),
    [],
  )
}

/** A token is one of the caller's, for whom it was asked; it is kept, to be shown and changed later. */
function keep(
  spiffeId: string,
  token: string,
  { call, known }: { readonly call: Call; readonly known: Known },
): void {
  const claims = JSON.parse(
    Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
  ) as Readonly<Record<string, unknown>>
  assert(OWN_IDS.some((id) => id === spiffeId))
  assert.equal(claims['sub'], spiffeId)
  if (call.audience === undefined) return
  // In whatever order: one token serves all who ask for the same ones.
  assert.deepEqual(new Set(claims['aud'] as string[]), new Set(call.audience))
  if (call.audience.includes(AUDIENCE) && token.length < 2_000) known.tokens.push(token)
  if (known.tokens.length > MOST_TOKENS) known.tokens.shift()
}
