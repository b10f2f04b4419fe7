import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { X509Authority } from '../../../src/authority/authority.ts'
import { createDiskAuthority } from '../../../src/authority/disk.ts'
import type { DiskMaterial } from '../../../src/authority/disk-files.ts'
import { createFileSlotStore } from '../../../src/authority/slot-file.ts'
import type { AuthorityEvent } from '../../../src/authority/authority.ts'
import { generateKey } from '../../../src/certs/keys.ts'
import { readCertificatesPem, verifyX509Svid } from '../../../src/certs/parse.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../../fakes/clock.ts'
import type { ManualClock } from '../../fakes/clock.ts'
import { createDiskFiles, createOperatorCa } from '../../fakes/operator-ca.ts'
import type { MemoryDiskFiles, OperatorCa } from '../../fakes/operator-ca.ts'
import { createSeededRandom } from '../../fakes/random.ts'
import { createStateFile } from '../../fakes/state-file.ts'
import type { MemoryStateFile } from '../../fakes/state-file.ts'
import { until } from '../../fakes/until.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const SVID_TTL = HOUR / 2
const NOW = Date.UTC(2030, 0, 1)
const trustDomain = parseTrustDomain('example.org')
const key = await generateKey('ec-p256')
const request = {
  spiffeId: parseSpiffeId('spiffe://example.org/web'),
  dnsNames: [],
  spki: key.spki,
  ttlMs: SVID_TTL,
}

const life = { notBefore: NOW - DAY, notAfter: NOW + 3650 * DAY }
const root = await createOperatorCa({ name: 'root', ...life })
const upper = await createOperatorCa({ name: 'upper', ...life, by: root, pathLen: 2 })
const lower = await createOperatorCa({ name: 'lower', ...life, by: upper, pathLen: 1 })
const stranger = await createOperatorCa({ name: 'stranger', ...life })

const files = (signing: OperatorCa, more: Partial<DiskMaterial> = {}): MemoryDiskFiles =>
  createDiskFiles({
    certFile: signing.certPem,
    keyFile: signing.keyPem,
    keyFileMode: 0o600,
    ...more,
  })

interface Opened {
  readonly authority: X509Authority
  readonly clock: ManualClock
  readonly events: AuthorityEvent[]
}

async function open(
  from: MemoryDiskFiles,
  more: { readonly file?: MemoryStateFile; readonly caTtlMs?: number } = {},
): Promise<Opened> {
  const clock = createManualClock({ now: NOW })
  const events: AuthorityEvent[] = []
  const authority = await createDiskAuthority({
    trustDomain,
    keyType: 'ec-p256',
    caTtlMs: more.caTtlMs ?? DAY,
    clock,
    random: createSeededRandom('disk'),
    onEvent: (event) => events.push(event),
    store: createFileSlotStore(more.file ?? createStateFile(), { kind: 'disk', trustDomain }),
    files: from,
    svidTtlMs: SVID_TTL,
  })
  return { authority, clock, events }
}

const subjects = (chain: readonly Buffer[]): string[] =>
  chain.slice(1).map((der) => new X509Certificate(der).subject.replace(/\n/g, ', '))
const anchorsOf = (authority: X509Authority): Buffer[] =>
  authority.state.current.anchors.map((der) => Buffer.from(der))
const ders = (...cas: OperatorCa[]): Buffer[] =>
  cas.flatMap((ca) => readCertificatesPem(ca.certPem, 'test'))

function verify(authority: X509Authority, chain: readonly Buffer[], now = NOW): void {
  const bundles = new Map([[trustDomain, authority.state.current.anchors]])
  assert.equal(verifyX509Svid(chain, bundles, { now, mode: 'strict' }), request.spiffeId)
}

async function faultsOf(from: MemoryDiskFiles): Promise<string> {
  const opened = await open(from).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(opened instanceof Error && 'code' in opened, 'it is refused')
  assert.equal(opened.code, 'config_invalid')
  return opened.message
}

test('disk: a self-signed certFile is the anchor, and the chain is leaf and our intermediate', async () => {
  const { authority } = await open(files(root))
  const { chain } = await authority.issue(request)
  assert.deepEqual(anchorsOf(authority), ders(root))
  assert.equal(chain.length, 2)
  verify(authority, chain)
  await authority.close()
})

test('disk: under an intermediate the chain holds every certificate below the anchor, and not the anchor', async () => {
  const certFile = lower.certPem + upper.certPem + root.certPem
  const { authority } = await open(files(lower, { certFile, bundleFile: root.certPem }))
  const { chain } = await authority.issue(request)
  assert.equal(chain.length, 4)
  assert.deepEqual(subjects(chain).slice(1), ['CN=lower', 'CN=upper'])
  assert.deepEqual(anchorsOf(authority), ders(root))
  verify(authority, chain)
  await authority.close()
})

test('disk: the state tells the life of the certificate that ends first on the way to the anchor', async () => {
  const brief = await createOperatorCa({
    name: 'brief',
    notBefore: NOW - HOUR,
    notAfter: NOW + 2 * DAY,
    by: root,
  })
  const { authority } = await open(files(brief, { bundleFile: root.certPem }))
  const attached = { notBefore: NOW - HOUR, notAfter: NOW + 2 * DAY }
  assert.deepEqual(authority.state.current.attached, attached)
  await authority.close()
})

test('disk: an intermediate that is itself in bundleFile is the anchor', async () => {
  const bundleFile = stranger.certPem + lower.certPem
  const { authority } = await open(files(lower, { bundleFile }))
  const { chain } = await authority.issue(request)
  assert.equal(chain.length, 2)
  assert.deepEqual(anchorsOf(authority), ders(stranger, lower))
  verify(authority, chain)
  await authority.close()
})

test('disk: a rotation changes the intermediate and leaves the anchors alone', async () => {
  const { authority } = await open(files(root))
  const before = authority.state.current.anchors
  await authority.prepare()
  await authority.activate()
  const { chain } = await authority.issue(request)
  verify(authority, chain)
  assert.deepEqual(authority.state.current.anchors, before)
  await authority.close()
})

test('disk: a pathLen that allows no CA below is a fault, also one further up', async () => {
  const tight = await createOperatorCa({ name: 'tight', ...life, by: root, pathLen: 0 })
  assert.match(await faultsOf(files(tight, { bundleFile: root.certPem })), /pathLenConstraint/)
  const under = await createOperatorCa({ name: 'under', ...life, by: upper })
  const above = await createOperatorCa({ name: 'root', ...life, keys: root.keys, pathLen: 1 })
  const certFile = under.certPem + upper.certPem
  const fault = await faultsOf(files(under, { certFile, bundleFile: above.certPem }))
  assert.match(fault, /pathLenConstraint/)
})

test('disk: a CA or anchor that ends within svid.ttl is a fault', async () => {
  const soon = { ...life, notAfter: NOW + SVID_TTL - 1_000 }
  const ending = await createOperatorCa({ name: 'ending', ...soon })
  assert.match(await faultsOf(files(ending)), /within svid\.ttl/)
  const endingRoot = await createOperatorCa({ name: 'root', ...soon, keys: root.keys })
  assert.match(await faultsOf(files(upper, { bundleFile: endingRoot.certPem })), /within svid\.ttl/)
})

test('disk: a key that does not fit, a chain that leads nowhere, a missing bundleFile are faults', async () => {
  assert.match(await faultsOf(files(root, { keyFile: stranger.keyPem })), /authority\.certFile/)
  const strange = await faultsOf(files(upper, { bundleFile: stranger.certPem }))
  assert.match(strange, /does not chain to a certificate of authority\.bundleFile/)
  assert.match(await faultsOf(files(upper)), /authority\.bundleFile: needed/)
})

test('disk: a certificate on the path, or an anchor, that may not sign is a fault', async () => {
  const leaf = await createOperatorCa({ name: 'leaf', ...life, by: root, ca: false })
  const under = await createOperatorCa({ name: 'under', ...life, by: leaf })
  const certFile = under.certPem + leaf.certPem
  assert.match(await faultsOf(files(under, { certFile, bundleFile: root.certPem })), /CN=leaf/)
  assert.match(
    await faultsOf(files(upper, { bundleFile: leaf.certPem })),
    /bundleFile.*may not sign/,
  )
})

test('disk: a key file that others can read is a fault, one of the owner and its group is not', async () => {
  for (const keyFileMode of [0o644, 0o604, 0o660, 0o602]) {
    const fault = await faultsOf(files(root, { keyFileMode }))
    assert.match(fault, /authority\.keyFile: mode 0\d{3}/, keyFileMode.toString(8))
  }
  for (const keyFileMode of [0o400, 0o600, 0o440, 0o640]) {
    const { authority } = await open(files(root, { keyFileMode }))
    await authority.close()
  }
})

test('disk: several faults are told at once, and no key text with them', async () => {
  const text = await faultsOf(
    files(root, { keyFile: 'no key', keyFileMode: 0o666, bundleFile: 'no certificate' }),
  )
  assert.match(text, /authority\.keyFile: mode/)
  assert.match(text, /authority\.bundleFile/)
  assert.ok(text.split('\n').length >= 3, text)
})

test('disk: our intermediate never outlives the CA above it', async () => {
  const short = await createOperatorCa({ name: 'short', ...life, notAfter: NOW + 2 * HOUR })
  const { authority, clock } = await open(files(short))
  assert.equal(authority.state.current.slots[0]?.notAfter, NOW + 2 * HOUR)
  await clock.advance(HOUR + HOUR / 4)
  assert.equal(authority.state.current.slots.length, 1, 'no successor could last longer')
  await clock.advance(HOUR / 4 + 11_000)
  assert.match(authority.state.current.fault ?? '', /within svid\.ttl/)
  const svid = await authority.issue(request)
  assert.equal(svid.notAfter, NOW + 2 * HOUR)
  await clock.advance(HOUR / 2)
  await assert.rejects(authority.issue(request), { code: 'authority_unavailable' })
  await authority.close()
})

test('disk: a bad edit keeps the last good CA and shows a fault until it is mended', async () => {
  const from = files(root)
  const { authority, events } = await open(from)
  const good = from.material
  from.material = { ...good, keyFile: stranger.keyPem }
  await assert.rejects(authority.reload(), { code: 'config_invalid' })
  assert.match(authority.state.current.fault ?? '', /authority\.certFile/)
  verify(authority, (await authority.issue(request)).chain)
  assert.ok(events.some((event) => event.kind === 'reload_failed'))

  from.readFault = new Error('permission denied')
  from.touch()
  await until(authority.state, (state) => /cannot be read/.test(state.fault ?? ''))
  from.readFault = undefined
  from.material = good
  from.touch()
  await until(authority.state, (state) => state.fault === undefined)
  await authority.close()
  assert.equal(from.watchers, 0)
})

test('disk: another CA beside the one before signs once its anchor has been out, and the old SVIDs stay valid', async () => {
  const from = files(root, { bundleFile: root.certPem })
  const { authority, clock } = await open(from)
  const before = await authority.issue(request)
  from.material = {
    ...from.material,
    certFile: stranger.certPem,
    keyFile: stranger.keyPem,
    bundleFile: root.certPem + stranger.certPem,
  }
  from.touch()
  await until(authority.state, (state) => state.slots.length === 2)
  assert.deepEqual(anchorsOf(authority), ders(root, stranger))
  assert.equal((await authority.issue(request)).authorityId, before.authorityId)
  await clock.advance(5 * 60_000 + 10_000)
  await until(authority.state, (state) => state.slots[1]?.status === 'active')
  const after = await authority.issue(request)
  verify(authority, before.chain, clock.now())
  verify(authority, after.chain, clock.now())
  assert.notEqual(after.authorityId, before.authorityId)
  await authority.close()
})

test('disk: a CA whose anchor is taken away is dropped at once, and the new one signs', async () => {
  const from = files(root)
  const { authority } = await open(from)
  const before = await authority.issue(request)
  from.material = { ...from.material, certFile: stranger.certPem, keyFile: stranger.keyPem }
  await authority.reload()
  assert.deepEqual(anchorsOf(authority), ders(stranger))
  assert.ok(!authority.state.current.slots.some((slot) => slot.authorityId === before.authorityId))
  verify(authority, (await authority.issue(request)).chain)
  await authority.close()
})

test('disk: a restart under another CA does not use what the one before signed', async () => {
  const file = createStateFile()
  const first = await open(files(root), { file })
  const before = first.authority.state.current.slots[0]?.authorityId
  await first.authority.close()
  const second = await open(files(stranger), { file })
  assert.notEqual(second.authority.state.current.slots[0]?.authorityId, before)
  verify(second.authority, (await second.authority.issue(request)).chain)
  await second.authority.close()
})
