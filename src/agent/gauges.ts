/** What is current, as gauges: identities, bundles, and how long each of them still lasts. */
import { parseCertificate } from '../certs/parse.ts'
import { modifiedAt } from '../os/files.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import { lifeLeft, NO_END } from '../telemetry/expiry-gauge.ts'
import type { ExpiryGauge, Life } from '../telemetry/expiry-gauge.ts'
import type { Log } from '../telemetry/log.ts'
import type { GaugeOf } from '../telemetry/create-metric.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Identity } from './obtain/identity.ts'
import type { ServerView } from './obtain/remote/view.ts'

/** What is known only by looking, and is looked at for each scrape. */
export interface Moment {
  readonly now: number
  readonly ready: boolean
  readonly identities: readonly Identity[]
  /** Secrets that sidecars hold, by kind. */
  readonly holding: Readonly<Record<'svid' | 'bundle', number>>
  /** Entries in use without an identity. */
  readonly missing: number
  /** By trust domain. */
  readonly bundles: Readonly<Record<string, { readonly file: string }>>
  /** undefined: the agent has none. */
  readonly server: ServerView | undefined
}

export type BothLeft = readonly [seconds: ExpiryGauge<number>, share: ExpiryGauge<Life>]

export function showLife([seconds, share]: BothLeft, key: string, life: Life | undefined): void {
  if (life === undefined || life.notAfter === NO_END) {
    seconds.remove(key)
    share.remove(key)
  } else {
    seconds.set(key, life.notAfter)
    share.set(key, life)
  }
}

export function reportMoment(metrics: Metrics): (moment: Moment) => void {
  const left: BothLeft = [metrics.secretSecondsLeft, metrics.secretLifeLeft]
  let before: ReadonlySet<string> = new Set()
  return ({ now, ready, identities, holding, missing, bundles, server }) => {
    showServer(metrics, server, now)
    metrics.ready.set(ready ? 1 : 0)
    metrics.identities.set(identities.length)
    for (const kind of ['svid', 'bundle'] as const) metrics.secretsHeld.set({ kind }, holding[kind])
    metrics.identitiesMissing.set(missing)
    const lives = new Map<string, Life>()
    // Of several X.509-SVIDs of one SPIFFE ID the one that has least of its life left counts.
    for (const { entry, svid } of identities) {
      const other = lives.get(entry.spiffeId)
      if (other === undefined || lifeLeft(svid, now) < lifeLeft(other, now))
        lives.set(entry.spiffeId, svid)
    }
    for (const spiffeId of before) if (!lives.has(spiffeId)) showLife(left, spiffeId, undefined)
    for (const [spiffeId, life] of lives) showLife(left, spiffeId, life)
    before = new Set(lives.keys())
    for (const [name, { file }] of Object.entries(bundles)) {
      const at = modifiedAt(file)
      if (at === undefined) metrics.bundleFileModified.remove({ trust_domain: name })
      else metrics.bundleFileModified.set({ trust_domain: name }, at / 1000)
    }
  }
}

function showServer(metrics: Metrics, server: ServerView | undefined, now: number): void {
  const { fault, heardAt, svidNotAfter, bootstrap } = server?.state.current ?? {}
  const show = (gauge: GaugeOf<object>, value: number | undefined): void =>
    value === undefined ? gauge.remove() : gauge.set(value)
  const flag = (is: boolean): number | undefined => server && (is ? 1 : 0)
  show(metrics.serverConnected, flag(fault === undefined))
  show(metrics.serverHeard, heardAt && Math.max(now - heardAt, 0) / 1000)
  show(metrics.serverBootstrapUnverified, flag(bootstrap === 'unverified'))
  show(metrics.serverCacheOk, server?.cache && (server.cache.fault === undefined ? 1 : 0))
  if (svidNotAfter === undefined) metrics.serverSvidSecondsLeft.remove('')
  else metrics.serverSvidSecondsLeft.set('', svidNotAfter)
}

type Bundles = ReadonlyMap<TrustDomain, Bundle>

export function reportBundles(
  metrics: Metrics,
  log: Log,
  own: TrustDomain,
): (bundles: Bundles) => void {
  const left: BothLeft = [metrics.bundleSecondsLeft, metrics.bundleLifeLeft]
  let before: Bundles = new Map()
  return (bundles) => {
    for (const name of before.keys())
      if (!bundles.has(name)) {
        metrics.bundleCertificates.remove({ trust_domain: name })
        metrics.bundleJwtKeys.remove({ trust_domain: name })
        metrics.bundleRefreshHint.remove({ trust_domain: name })
        showLife(left, name, undefined)
      }
    for (const [name, bundle] of bundles) {
      if (before.get(name) === bundle) continue
      const authorities = bundle.x509Authorities.map((der) => parseCertificate(der, name))
      metrics.bundleCertificates.set({ trust_domain: name }, authorities.length)
      const jwtKeys = bundle.jwtAuthorities.length
      metrics.bundleJwtKeys.set({ trust_domain: name }, jwtKeys)
      const byEnd = authorities.toSorted((one, other) => one.notAfter - other.notAfter)
      showLife(left, name, byEnd.at(-1))
      const { refreshHintSeconds } = bundle
      if (refreshHintSeconds === undefined) metrics.bundleRefreshHint.remove({ trust_domain: name })
      else metrics.bundleRefreshHint.set({ trust_domain: name }, refreshHintSeconds)
      log.info(
        { trustDomain: name, own: name === own, certificates: authorities.length, jwtKeys },
        'bundle in force',
      )
    }
    before = bundles
  }
}
