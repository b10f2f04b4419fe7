/* The part of the table of metrics (metrics-table.ts) that is about what signs, and about bundles. */

import type { MetricMeaning } from '../metric-labels.ts'
import { WORK_BUCKETS } from '../metric-labels.ts'

export const AUTHORITY_METRICS = {
  authoritySlots: {
    type: 'gauge',
    name: 'authority_slots',
    help: 'CA certificates of the own authority.',
    labels: { status: ['prepared', 'active', 'old', 'tainted'] },
  },
  authorityActiveSecondsLeft: {
    type: 'gauge',
    name: 'authority_active_seconds_left',
    help: 'Seconds until the CA certificate that signs expires, at the time of the scrape.',
    labels: {},
  },
  authorityActiveLifeLeft: {
    type: 'gauge',
    name: 'authority_active_life_left_ratio',
    help: 'Share of its life that the CA certificate that signs has left, at the time of the scrape.',
    labels: {},
  },
  authorityAttachedSecondsLeft: {
    type: 'gauge',
    name: 'authority_attached_seconds_left',
    help: "Seconds until the first certificate of the operator's CA and what is above it expires; of kind `disk` alone.",
    labels: {},
  },
  authorityAttachedLifeLeft: {
    type: 'gauge',
    name: 'authority_attached_life_left_ratio',
    help: 'Share of its life that this certificate has left.',
    labels: {},
  },
  authorityFault: {
    type: 'gauge',
    name: 'authority_fault',
    help: '1 while the authority cannot sign or rotate, else 0.',
    labels: {},
  },
  jwtAuthoritySlots: {
    type: 'gauge',
    name: 'jwt_authority_slots',
    help: 'Keys for JWT-SVIDs of the own authority.',
    labels: { status: ['prepared', 'active', 'old', 'tainted'] },
  },
  jwtAuthorityActiveSecondsLeft: {
    type: 'gauge',
    name: 'jwt_authority_active_seconds_left',
    help: 'Seconds until the key that signs JWT-SVIDs ends, at the time of the scrape.',
    labels: {},
  },
  jwtAuthorityActiveLifeLeft: {
    type: 'gauge',
    name: 'jwt_authority_active_life_left_ratio',
    help: 'Share of its life that the key that signs JWT-SVIDs has left, at the time of the scrape.',
    labels: {},
  },
  jwtAuthorityFault: {
    type: 'gauge',
    name: 'jwt_authority_fault',
    help: '1 while the JWT authority cannot sign, rotate or store its keys, else 0.',
    labels: {},
  },
  jwtSvids: {
    type: 'counter',
    name: 'jwt_svids_total',
    help: 'JWT-SVIDs that callers asked for: handed out again, signed, or not to be had.',
    labels: { result: ['cached', 'signed', 'failed'] },
  },
  jwtSign: {
    type: 'histogram',
    name: 'jwt_sign_seconds',
    help: 'Time to sign a JWT-SVID.',
    labels: {},
    buckets: WORK_BUCKETS,
  },
  bundleJwtKeys: {
    type: 'gauge',
    name: 'bundle_jwt_keys',
    help: 'Keys for JWT-SVIDs in a bundle.',
    labels: { trust_domain: 'own or configured trust domain' },
  },
  bundleCertificates: {
    type: 'gauge',
    name: 'bundle_certificates',
    help: 'X.509 authorities in a bundle.',
    labels: { trust_domain: 'own or configured trust domain' },
  },
  bundleSecondsLeft: {
    type: 'gauge',
    name: 'bundle_seconds_left',
    help: 'Seconds until the last X.509 authority of a bundle expires, at the time of the scrape.',
    labels: { trust_domain: 'own or configured trust domain' },
  },
  bundleLifeLeft: {
    type: 'gauge',
    name: 'bundle_life_left_ratio',
    help: 'Share of its life that the last X.509 authority of a bundle has left, at the time of the scrape.',
    labels: { trust_domain: 'own or configured trust domain' },
  },
  bundleFileModified: {
    type: 'gauge',
    name: 'bundle_file_modified_timestamp_seconds',
    help: 'When the file of a bundle was last written, in seconds since the epoch.',
    labels: { trust_domain: 'configured trust domain' },
  },
  bundleRefreshHint: {
    type: 'gauge',
    name: 'bundle_refresh_hint_seconds',
    help: 'How often a bundle asks to be fetched (`spiffe_refresh_hint`); only where it says so.',
    labels: { trust_domain: 'configured trust domain' },
  },
} as const satisfies Readonly<Record<string, MetricMeaning>>
