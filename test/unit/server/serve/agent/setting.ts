/** The Agent service over a real store and a real CA, with the calls of nodes and agents. */
import type { TestContext } from 'node:test'
import { Agent } from '#spire/api/server/agent/v1/agent_pb.js'
import type { AttestAgentResponse_Result } from '#spire/api/server/agent/v1/agent_pb.js'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { AttestAgentRequestSchema } from '#spire/api/server/agent/v1/agent_pb.js'
import type { IssuedX509Svid, X509Request } from '../../../../../src/authority/authority.ts'
import { writeCsr } from '../../../../../src/certs/csr/write.ts'
import { createIssuer, createRootCertificate, issueLeaf } from '../../../../../src/certs/issuer.ts'
import { generateKey } from '../../../../../src/certs/keys.ts'
import { parseCertificate } from '../../../../../src/certs/parse.ts'
import type { SpindleError } from '../../../../../src/runtime/errors.ts'
import type { NodeAttestor } from '../../../../../src/server/enroll/attest/attestor.ts'
import { createJoinTokenAttestor } from '../../../../../src/server/enroll/attest/join-token.ts'
import { createAgentService } from '../../../../../src/server/serve/agent/service.ts'
import type { AgentParts } from '../../../../../src/server/serve/agent/parts.ts'
import { trustDomainId } from '../../../../../src/spiffe/spiffe-id.ts'
import type { Store } from '../../../../../src/store/port.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { td } from '../../../../fakes/store-values.ts'
import { setUp as setUpService } from '../setting.ts'
import type { Parts, Setting as ServiceSetting } from '../setting.ts'

export const HOUR = 3_600_000
const AGENT_TTL = HOUR

export type Result = AttestAgentResponse_Result
type Step = MessageInitShape<typeof AttestAgentRequestSchema>['step']

export interface Setting extends ServiceSetting {
  readonly signer: Signer
  /** Proves `payload`; `answer` is asked for each challenge. */
  attest(type: string, payload: Uint8Array | string, more?: More): Promise<Result>
}

export interface More {
  readonly csr?: Uint8Array
  readonly answer?: (challenge: Uint8Array) => Promise<Uint8Array> | Uint8Array
  /** Instead of the params. */
  readonly first?: Step
}

interface Options {
  readonly attestors?: (parts: Parts) => readonly NodeAttestor[]
  readonly more?: Partial<AgentParts>
  /** Stands for the store in the service. */
  readonly store?: (store: Store) => AgentParts['store']
}

export interface Signer {
  /** While set, nothing is signed. */
  failure: SpindleError | undefined
  /** Happens while it is signed. */
  before: (() => Promise<unknown>) | undefined
  signed: number
  issue(request: X509Request): Promise<IssuedX509Svid>
}

async function createSigner(clock: Parts['clock']): Promise<Signer> {
  const caKey = await generateKey('ec-p256')
  const notBefore = clock.now() - HOUR
  const der = await createRootCertificate(caKey, {
    trustDomainId: trustDomainId(td('example.org')),
    serial: Buffer.of(1),
    notBefore,
    notAfter: clock.now() + 48 * HOUR,
  })
  const issuer = createIssuer(der, caKey, 'the CA')
  const signer: Signer = {
    failure: undefined,
    before: undefined,
    signed: 0,
    async issue({ spiffeId, dnsNames, spki, ttlMs }) {
      if (signer.failure !== undefined) throw signer.failure
      await signer.before?.()
      signer.signed++
      const [serial, notAfter] = [Buffer.of(1, signer.signed), clock.now() + ttlMs]
      const leaf = { spiffeId, dnsNames, spki, serial, notBefore, notAfter }
      const chain = [await issueLeaf(issuer, leaf)]
      return { chain, notBefore, notAfter, issuedAt: clock.now(), authorityId: 'ca' }
    },
  }
  return signer
}

export const key = await generateKey('ec-p256')
export const csr = await writeCsr(key)

export async function setUp(t: TestContext, options: Options = {}): Promise<Setting> {
  // The service's own clock begins at the same instant, and no certificate is looked at against either.
  const signer = await createSigner(createManualClock())
  const service = await setUpService(t, (parts) => {
    const joinTokens = createJoinTokenAttestor({ ...parts, joinTokens: parts.store.joinTokens })
    const attestors = [joinTokens, ...(options.attestors?.(parts) ?? [])]
    return createAgentService({
      ...parts,
      ...(options.store && { store: options.store(parts.store) }),
      issuing: { x509: signer },
      attestors: new Map(attestors.map((attestor) => [attestor.type, attestor])),
      svid: { agentTtlMs: AGENT_TTL },
      attestationsPerSecond: false,
      ...options.more,
    })
  })
  return {
    ...service,
    signer,
    attest(type, payload, more = {}) {
      const call = service.open(Agent.method.attestAgent)
      const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
      const params = { data: { type, payload: bytes }, params: { csr: more.csr ?? csr } }
      return new Promise((resolve, reject) => {
        call.on('error', reject)
        call.on('end', () => reject(new Error('the call ended without a result')))
        call.on('data', ({ step }) => {
          if (step.case === 'result') resolve(step.value)
          else void respond(step.value ?? new Uint8Array())
        })
        const respond = async (challenge: Uint8Array): Promise<void> => {
          const value = (await more.answer?.(challenge)) ?? new Uint8Array()
          call.write({ step: { case: 'challengeResponse', value } })
        }
        call.write({ step: more.first ?? { case: 'params', value: params } })
      })
    },
  }
}

/** Decimal. */
export const serialOf = (result: Result): string => {
  const { serial } = parseCertificate(result.svid!.certChain[0]!, 'the SVID')
  return BigInt(`0x${serial}`).toString()
}

/** Resolves once `holds`; rejects after 10 s of real time. */
export async function when(holds: () => boolean): Promise<void> {
  const late = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > late) throw new Error('it did not come to that')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
