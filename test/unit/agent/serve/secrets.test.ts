import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSecrets } from '../../../../src/agent/serve/secrets.ts'
import type { TrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import { identityOf } from '../../../fakes/identities.ts'
import { entry } from '../obtain/setting.ts'
import { OWN, bundleOf, bundlesOf } from './setting.ts'

const PARTNER = 'partner.test' as TrustDomain
const IDENTITY = identityOf(entry('web'), 'one', 5_000)

test('Secrets.svid() is made once for an identity and a name, with the content’s version and end', () => {
  const secrets = createSecrets()
  const secret = secrets.svid('default', IDENTITY)
  assert.equal(secrets.svid('default', IDENTITY), secret)
  assert.deepEqual([secret.name, secret.kind, secret.notAfter], ['default', 'svid', 5_000])
  const alias = secrets.svid('web-cert', IDENTITY)
  assert.equal(alias.name, 'web-cert')
  assert.equal(alias.version, secret.version, 'a version is of the content')
  assert.notDeepEqual(alias.bytes, secret.bytes, 'its bytes hold the name')
  const next = secrets.svid('default', identityOf(entry('web'), 'two', 5_000))
  assert.notEqual(next.version, secret.version)
})

test('Secrets.bundle() is made once for the bundles, the name and the form', () => {
  const secrets = createSecrets()
  const bundles = bundlesOf(bundleOf(OWN, 'root'))
  const own = { kind: 'bundle', trustDomain: OWN } as const
  const secret = secrets.bundle('ROOTCA', own, { bundles, flavour: 'trusted-ca' })
  assert.equal(secrets.bundle('ROOTCA', own, { bundles, flavour: 'trusted-ca' }), secret)
  assert('version' in secret && secret.kind === 'bundle' && secret.notAfter === undefined)
  const spiffe = secrets.bundle('ROOTCA', own, { bundles, flavour: 'spiffe' })
  assert('version' in spiffe && spiffe.version !== secret.version)
  const same = bundlesOf(bundleOf(OWN, 'root'))
  const again = secrets.bundle('ROOTCA', own, { bundles: same, flavour: 'trusted-ca' })
  assert('version' in again && again !== secret && again.version === secret.version)
})

test('Secrets.bundle() of several trust domains is as the caller’s, not as the name', () => {
  const secrets = createSecrets()
  const bundles = bundlesOf(bundleOf(OWN, 'root'), bundleOf(PARTNER, 'theirs'))
  const all = (...trustDomains: TrustDomain[]) =>
    secrets.bundle('ALL', { kind: 'all-bundles', trustDomains }, { bundles, flavour: 'spiffe' })
  const [one, both] = [all(OWN), all(OWN, PARTNER)]
  assert('version' in one && 'version' in both && one.version !== both.version)
})

test('Secrets.bundle() says why there is none instead of an empty one', () => {
  const secrets = createSecrets()
  const from = { bundles: bundlesOf(bundleOf(PARTNER)), flavour: 'trusted-ca' } as const
  const none = secrets.bundle('x', { kind: 'bundle', trustDomain: PARTNER }, from)
  assert('why' in none)
  assert.match(none.why, /partner\.test/)
  const unknown = secrets.bundle('x', { kind: 'bundle', trustDomain: OWN }, from)
  assert('why' in unknown)
})
