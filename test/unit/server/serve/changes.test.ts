/** What holds for every change by the API: the audit has its line, and the registry shows it, before the answer leaves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Bundle as BundleService } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import { TrustDomain as TrustDomainService } from '#spire/api/server/trustdomain/v1/trustdomain_pb.js'
import type { Registry } from '../../../../src/server/enroll/registry.ts'
import { createBundleService } from '../../../../src/server/serve/bundle/service.ts'
import { createEntryService } from '../../../../src/server/serve/entry/service.ts'
import type { ApiService } from '../../../../src/server/serve/service.ts'
import { createTrustDomainService } from '../../../../src/server/serve/trustdomain/service.ts'
import { bundle, entry as stored, td } from '../../../fakes/store-values.ts'
import { KEY, ROOT } from './bundle/messages.ts'
import { entry } from './entry/messages.ts'
import { setUp } from './setting.ts'
import type { Parts, Setting } from './setting.ts'

const one = { bundle: [{ trustDomain: 'one.test' }] }
const relationship = {
  trustDomain: 'one.test',
  bundleEndpointUrl: 'https://one.test',
  bundleEndpointProfile: { case: 'httpsWeb', value: {} },
} as const
const federation = {
  federationRelationships: [{ ...relationship, trustDomainBundle: { trustDomain: 'one.test' } }],
}

interface Change {
  readonly make: (parts: Parts) => ApiService
  readonly says: string
  readonly ask: (call: Setting['call']) => Promise<unknown>
  /** What must be there before. */
  readonly first?: (setting: Setting) => Promise<unknown>
}

const withEntry = ({ store }: Setting) => store.entries.create([stored('/a', { id: 'a' as never })])
const withBundle =
  (name: string) =>
  ({ store }: Setting) =>
    store.bundles.change(td(name), () => bundle(name))

const { method: entries } = EntryService
const { method: bundles } = BundleService
const { method: relationships } = TrustDomainService
const CHANGES: readonly Change[] = [
  {
    make: createEntryService,
    says: 'BatchCreateEntry',
    ask: (call) => call(entries.batchCreateEntry, { entries: [entry('/new')] }),
  },
  {
    make: createEntryService,
    says: 'BatchUpdateEntry',
    ask: (call) => call(entries.batchUpdateEntry, { entries: [entry('/new', { id: 'a' })] }),
    first: withEntry,
  },
  {
    make: createEntryService,
    says: 'BatchDeleteEntry',
    ask: (call) => call(entries.batchDeleteEntry, { ids: ['a'] }),
    first: withEntry,
  },
  {
    make: createBundleService,
    says: 'AppendBundle',
    ask: (call) => call(bundles.appendBundle, { x509Authorities: [{ asn1: ROOT }] }),
    first: withBundle('example.org'),
  },
  {
    make: createBundleService,
    says: 'PublishJWTAuthority',
    ask: (call) =>
      call(bundles.publishJWTAuthority, { jwtAuthority: { keyId: 'k', publicKey: KEY } }),
    first: withBundle('example.org'),
  },
  {
    make: createBundleService,
    says: 'BatchCreateFederatedBundle',
    ask: (call) => call(bundles.batchCreateFederatedBundle, one),
  },
  {
    make: createBundleService,
    says: 'BatchUpdateFederatedBundle',
    ask: (call) => call(bundles.batchUpdateFederatedBundle, one),
    first: withBundle('one.test'),
  },
  {
    make: createBundleService,
    says: 'BatchSetFederatedBundle',
    ask: (call) => call(bundles.batchSetFederatedBundle, one),
  },
  {
    make: createBundleService,
    says: 'BatchDeleteFederatedBundle',
    ask: (call) => call(bundles.batchDeleteFederatedBundle, { trustDomains: ['one.test'] }),
    first: withBundle('one.test'),
  },
  {
    make: createTrustDomainService,
    says: 'BatchCreateFederationRelationship',
    ask: (call) => call(relationships.batchCreateFederationRelationship, federation),
  },
  {
    make: createTrustDomainService,
    says: 'BatchUpdateFederationRelationship',
    ask: (call) => call(relationships.batchUpdateFederationRelationship, federation),
    first: ({ store }) =>
      store.federation.change(td('one.test'), () => ({
        trustDomain: td('one.test'),
        endpointUrl: 'https://one.test',
        profile: { kind: 'https_web' },
      })),
  },
]

/** The setting of a change, whose registry shows nothing before what `until` gives. */
async function waiting(t: TestContext, { make, first }: Change, until: () => Promise<void>) {
  let asked = (): void => undefined
  const hasAsked = new Promise<void>((resolve) => (asked = resolve))
  const setting = await setUp(t, (parts) => {
    const shown: Registry['shown'] = () => {
      asked()
      return until()
    }
    const registry = Object.create(parts.registry, { shown: { value: shown } }) as Registry
    return make({ ...parts, registry })
  })
  await first?.(setting)
  return { ...setting, hasAsked }
}

for (const change of CHANGES) {
  test(`${change.says} answers once the audit has its line and the registry shows it`, async (t) => {
    let go = (): void => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    const { call, hasAsked, audited } = await waiting(t, change, () => gate)
    let answered = false
    const answer = change.ask(call).then(() => (answered = true))
    await hasAsked
    const lines = audited()
    assert.ok(lines.length > 0)
    for (const line of lines) {
      assert.ok(line.event === 'changed' && line.method?.endsWith(`/${change.says}`))
      assert.deepEqual(line.caller, { kind: 'local', uid: 0, pid: 7 })
    }
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(answered, false)
    go()
    await answer
  })
}
