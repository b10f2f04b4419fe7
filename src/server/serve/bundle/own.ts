/** The own trust domain's bundle: what operators and servers below add to it. Each server keeps its own part in it besides. */
import { Buffer } from 'node:buffer'
import type {
  AppendBundleRequest,
  PublishJWTAuthorityRequest,
} from '../../../gen/spire/api/server/bundle/v1/bundle_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { PublicKey, StoredBundle, X509Authority } from '../../../store/model.ts'
import { wordedStatus } from '../../../wire/status.ts'
import { auditBundle } from '../api/audit.ts'
import { reading } from '../api/status.ts'
import { createTurn } from '../api/turns.ts'
import type { Asked } from '../service.ts'
import { readJwtAuthorities, readWitAuthorities, readX509Authorities } from './message.ts'
import type { BundleServiceParts } from './parts.ts'

/** Of one address, as SPIRE has it. */
const PUBLISHED_PER_SECOND = 500

interface Addition {
  readonly x509?: readonly X509Authority[]
  readonly jwt?: readonly PublicKey[]
  readonly wit?: readonly PublicKey[]
}

export interface OwnBundle {
  /** @throws WordedStatus where there is none */
  current(): StoredBundle
  append(request: AppendBundleRequest, asked: Asked): Promise<StoredBundle>
  publishJwt(request: PublishJWTAuthorityRequest, asked: Asked): Promise<StoredBundle>
}

export function createOwnBundle(parts: BundleServiceParts): OwnBundle {
  const { trustDomain, store, registry, clock, audit } = parts
  const turn = createTurn({ clock, audit, perSecond: PUBLISHED_PER_SECOND })

  const add = async (
    addition: Addition,
    { action, asked }: { readonly action: string; readonly asked: Asked },
  ): Promise<StoredBundle> => {
    let conflict: SpindleError | undefined
    let isNew = false
    const bundle = await store.bundles.change(trustDomain, (current) => {
      conflict = current && conflictOf(current, addition)
      if (current === undefined || conflict !== undefined) return current
      const next = withAddition(current, addition)
      isNew = next !== current
      return next
    })
    if (bundle === undefined) throw notThere()
    if (conflict !== undefined) throw conflict
    if (isNew) auditBundle(parts, asked, { key: trustDomain, action, revision: bundle.sequence })
    await registry.shown()
    return bundle
  }

  return {
    current() {
      const bundle = registry.bundle(trustDomain)
      if (bundle === undefined) throw notThere()
      return bundle
    },
    append({ x509Authorities, jwtAuthorities, witAuthorities }, asked) {
      const addition = {
        x509: reading('failed to convert X.509 authority', () =>
          readX509Authorities(x509Authorities),
        ),
        jwt: reading('failed to convert JWT authority', () => readJwtAuthorities(jwtAuthorities)),
        wit: reading('failed to convert WIT authority', () => readWitAuthorities(witAuthorities)),
      }
      if (addition.x509.length + addition.jwt.length + addition.wit.length === 0)
        throw wordedStatus(status.INVALID_ARGUMENT, 'no authorities to append')
      return add(addition, { action: 'append', asked })
    },
    async publishJwt({ jwtAuthority }, asked) {
      await turn('key publishing rate limiting', asked)
      if (jwtAuthority === undefined)
        throw wordedStatus(status.INVALID_ARGUMENT, 'missing JWT authority')
      const jwt = reading('invalid JWT authority', () => readJwtAuthorities([jwtAuthority]))
      return await add({ jwt }, { action: 'publish-jwt-authority', asked })
    },
  }
}

function notThere() {
  return wordedStatus(status.NOT_FOUND, 'bundle not found')
}

/** More are no use to anybody, and each is sent to every agent; a server below could bring them without end. */
const MOST_AUTHORITIES = 1000

/** Whoever could put its own key in the place of another would sign in the name of everybody. */
function conflictOf(current: StoredBundle, addition: Addition): SpindleError | undefined {
  const { jwt = [], wit = [] } = addition
  const next = withAddition(current, addition)
  const most = Math.max(
    next.x509Authorities.length,
    next.jwtAuthorities.length,
    next.witAuthorities.length,
  )
  if (next !== current && most > MOST_AUTHORITIES)
    return new SpindleError(
      'limit_reached',
      `the bundle would have more than ${MOST_AUTHORITIES} authorities of a kind`,
    )
  const taken = (there: readonly PublicKey[], added: readonly PublicKey[]) =>
    added.find(({ keyId, publicKey }) =>
      there.some((one) => one.keyId === keyId && !same(one.publicKey, publicKey)),
    )
  const key = taken(current.jwtAuthorities, jwt) ?? taken(current.witAuthorities, wit)
  if (key === undefined) return undefined
  return new SpindleError(
    'request_invalid',
    `the key ID ${JSON.stringify(key.keyId.slice(0, 80))} is that of another key of the bundle`,
  )
}

/** The same bundle where it has all of that. What is there is left as it is: adding a key again takes no taint from it. */
function withAddition(current: StoredBundle, { x509 = [], jwt = [], wit = [] }: Addition) {
  const newX509 = x509.filter(
    ({ certificate }) => !current.x509Authorities.some((one) => same(one.certificate, certificate)),
  )
  const newKeys = (there: readonly PublicKey[], added: readonly PublicKey[]) =>
    added.filter(({ keyId }) => !there.some((one) => one.keyId === keyId))
  const newJwt = newKeys(current.jwtAuthorities, jwt)
  const newWit = newKeys(current.witAuthorities, wit)
  if (newX509.length + newJwt.length + newWit.length === 0) return current
  return {
    ...current,
    x509Authorities: [...current.x509Authorities, ...newX509],
    jwtAuthorities: [...current.jwtAuthorities, ...newJwt],
    witAuthorities: [...current.witAuthorities, ...newWit],
    sequence: current.sequence + 1,
  }
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
