import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { PageState } from '../../src/http/page-state.ts'
import { startBrowser } from './rig/browser.ts'
import { envoySelectors, testSelectors } from './rig/pair.ts'
import type { EntrySettings } from './rig/agent.ts'
import type { Rig } from './rig/rig.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const DEADLINE = { deadlineMs: 10_000 }

/** What an operator is to see by themselves is given this long: five times the page's own pace. */
const SEEN_MS = 5 * 1_100

/** A folder to write pictures of the page to, for people to look at and for docs/status-page.png. */
const PICTURES = process.env['SPINDLE_PICTURES']

const entriesOf = (rig: Rig): readonly EntrySettings[] => [
  {
    spiffeId: 'spiffe://example.org/web',
    selectors: envoySelectors(rig),
    hint: 'internal',
    default: true,
  },
  { spiffeId: 'spiffe://example.org/batch', selectors: ['unix:uid:0', 'unix:path:/bin/batch'] },
  { spiffeId: 'spiffe://example.org/test', selectors: testSelectors(), x509SvidTtl: '10s' },
]

test('the status page shows sidecars, and a rotation as it arrives, in a real browser', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: entriesOf(rig) })
  const browser = await startBrowser(t, rig)
  if (browser === undefined) return
  const envoy = await rig.envoy(agent, { nodeId: 'web-1' })
  await activeListener(envoy, 'inbound')

  const tab = await browser.open(`${agent.http}/`)
  await tab.shows('#connection', /live/)
  await tab.shows('#trust-domain', /^example\.org$/)
  const sidecar = await tab.shows('#sidecars tbody', /acknowledged[\s\S]*acknowledged/)
  const { pid } = envoy.child
  const uid = process.getuid?.()
  for (const part of ['web-1', '1.40.0', `pid ${pid} · uid ${uid}`, join(rig.folder, 'envoy')])
    assert(sidecar.includes(part), `no ${part} in ${sidecar}`)
  assert.match(sidecar, /default[\s\S]*in (5\dm|1h)/)
  await tab.shows('#attention', /Ready, and nothing needs a look/)
  const entries = await tab.text('#entries tbody')
  assert.match(entries, /\/web\s[\s\S]*web-1 \(pid \d+\)/)
  assert.match(
    entries,
    /\/batch[\s\S]*nobody\s[\s\S]*web-1 \(pid \d+\) lacks\s+unix:path:\/bin\/batch/,
  )
  assert.match(await tab.text('#slots'), /[0-9a-f]{40}\s+✓ active\s+now\s+in (23h|1d)/)
  assert.match(await tab.text('#bundles'), /example\.org/)
  assert.match(await tab.text('#sources'), /entries[\s\S]*✓ in use/)

  const inUse = (): Promise<string> =>
    tab.evaluate(
      `[...document.querySelectorAll('#sidecars tbody tr')]
        .find((row) => row.innerText.includes('default')).lastElementChild.innerText`,
    )
  const before = await inUse()
  assert.match(before, /^[0-9a-f]{8}$/)
  await tab.evaluate('window.untouched = true')
  await agent.admin.call(AdminService.method.renewIdentities, {}, DEADLINE)
  await eventually(
    'the next version is in use',
    async () => {
      const now = await inUse()
      return /^[0-9a-f]{8}$/.test(now) && now !== before
    },
    SEEN_MS,
  )
  const timeline = await tab.text('#timeline tbody')
  const [first = 0, second = 0, third = 0] = ['acknowledged', 'pushed', 'issued'].map((word) =>
    timeline.indexOf(word),
  )
  assert(0 < first && first < second && second < third, `newest first: ${timeline}`)
  assert.match(timeline, /issued\s+spiffe:\/\/example\.org\/web\s+until \d\d:\d\d:\d\d/)
  assert.equal(await tab.evaluate('window.untouched'), true, 'the page was not loaded again')

  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const [rejecting, holding] = [client.delta(), client.delta()]
  rejecting.subscribe('ROOTCA')
  const message = 'Failed to load private key: -----BEGIN PRIVATE KEY-----'
  rejecting.nack(await rejecting.next(), { code: 13, message })
  await tab.shows(
    '#attention',
    new RegExp(`pid ${process.pid}\\) rejects ROOTCA: type_mismatch`),
    SEEN_MS,
  )
  await tab.shows('#nacks', /type_mismatch\s+1\s+✕ 1/, SEEN_MS)
  await tab.shows('#timeline tbody', /✕ rejected\s+ROOTCA\s+type_mismatch/, SEEN_MS)
  const drawn = await tab.evaluate<string[]>(
    "[...document.querySelectorAll('[role=img]')].map((one) => one.ariaLabel + one.querySelectorAll('canvas').length)",
  )
  assert.match(drawn[0] ?? '', /trouble 1, acknowledged \d+, pushed \d+, issued \d+.*1$/)
  assert.match(drawn[1] ?? '', /example\.org\/web (5\dm|1h).*1$/)

  holding.subscribe('default')
  holding.ack(await holding.next())
  agent.setEntries(entriesOf(rig).slice(0, 2))
  await tab.shows(
    '#attention',
    /default of .* (expires soon|has expired); its entry is gone/,
    30_000,
  )
  assert.match(await tab.text('#sidecars tbody'), /! revoked[\s\S]*(in [0-2]s|\ds ago)/)

  if (PICTURES !== undefined)
    for (const scheme of ['light', 'dark'] as const) {
      await tab.colours(scheme)
      await tab.shows('#connection', /live/)
      await tab.picture(join(PICTURES, `status-page-${scheme}.png`))
    }
  assert.deepEqual(tab.complaints, [])
  const state = await (await fetch(`${agent.http}/api/state`)).text()
  assert.equal((JSON.parse(state) as PageState).sidecars.length, 2)
  for (const text of [state, await tab.evaluate<string>('document.documentElement.outerHTML')])
    assert.doesNotMatch(text, /PRIVATE KEY|Failed to load/)
})
