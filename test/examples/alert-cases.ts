/** For each alert: series under which it fires, and ones like them under which it must not. Written as promtool expands them. */

/** Series by name (the prefix, `spindle_agent_` here, left out), and their values each half minute: `start+step x count`. */
export type Series = Readonly<Record<string, string>>

export interface AlertCase {
  /** When it is looked at. */
  readonly at: string
  readonly fires: Series
  readonly quiet: Series
}

const web = '{spiffe_id="spiffe://example.org/web"}'
const partner = '{trust_domain="partner.test"}'
const lag = (le: string): string => `rotation_lag_seconds_bucket{le="${le}"}`
const DAY = 86_400

export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  SpindleAgentDown: {
    at: '3m',
    fires: { 'up{job="spindle-agent"}': '1 0x10' },
    quiet: { 'up{job="spindle-agent"}': '1 0 0 1x10', 'up{job="other"}': '0x10' },
  },
  SpindleAgentNotReady: {
    at: '2m',
    fires: { ready: '0x10' },
    quiet: { ready: '0 1x10' },
  },
  SpindleServerAway: {
    at: '7m',
    fires: { server_connected: '1 0x20' },
    quiet: { server_connected: '0 0 0 1x20' },
  },
  SpindleAgentSvidExpiring: {
    at: '40m',
    // Of an hour, which was renewed at half of its life before.
    fires: { server_svid_seconds_left: '1800 3600-40x80' },
    quiet: {
      server_svid_seconds_left: '3600-30x59 3600-30x59',
      // One that lives for five minutes.
      'server_svid_seconds_left{instance="short"}': '300-30x4 300-30x4 300-30x4 300x90',
    },
  },
  SpindleServerUnverified: {
    at: '70m',
    fires: { server_bootstrap_unverified: '1x200' },
    quiet: { server_bootstrap_unverified: '1x60 0x140' },
  },
  SpindleCacheNotKept: {
    at: '10m',
    fires: { server_cache_ok: '1x20', server_cache_set_aside_total: '0 0 1x20' },
    quiet: { server_cache_ok: '1 0 0 1x20', server_cache_set_aside_total: '1x20' },
  },
  SpindleCertificateExpiring: {
    at: '2m',
    fires: { [`secret_life_left_ratio${web}`]: '0.19x10' },
    quiet: { [`secret_life_left_ratio${web}`]: '0.21x10' },
  },
  SpindleCertificateMissing: {
    at: '2m',
    fires: { identities_missing: '3x10' },
    // One that is being issued while it is looked at.
    quiet: { identities_missing: '1 0 1 0 1 0' },
  },
  SpindleRotationFailing: {
    at: '10m',
    fires: { 'rotations_total{result="failed"}': '0+1x20' },
    quiet: {
      'rotations_total{result="failed"}': '0 1x20',
      'rotations_total{result="ok"}': '0+1x20',
    },
  },
  SpindleRotationLate: {
    at: '20m',
    fires: { [lag('15')]: '0x40', [lag('60')]: '0+1x40', [lag('+Inf')]: '0+1x40' },
    quiet: { [lag('5')]: '0+1x40', [lag('15')]: '0+1x40', [lag('+Inf')]: '0+1x40' },
  },
  SpindleSecretRejected: {
    at: '5m',
    fires: { 'sds_nacks_total{class="key_mismatch"}': '0 0 0 1x10' },
    quiet: { 'sds_nacks_total{class="key_mismatch"}': '7x10' },
  },
  SpindleRejectedSecretAcknowledged: {
    at: '5m',
    fires: { sds_acks_of_rejected_total: '0 0 0 1x10' },
    quiet: { sds_acks_of_rejected_total: '7x10' },
  },
  SpindleSecretUnanswered: {
    at: '10m',
    fires: { sds_unanswered_total: '0+1x20' },
    quiet: { sds_unanswered_total: '7x20' },
  },
  SpindleStreamsDropped: {
    at: '15m',
    fires: {
      'sds_streams{variant="delta"}': '20x20 3x20',
      'sds_streams{variant="sotw"}': '2x40',
    },
    // One Envoy of two is stopped; of many a few.
    quiet: {
      'sds_streams{variant="delta",instance="a"}': '4x20 1x20',
      'sds_streams{variant="sotw",instance="a"}': '0x40',
      'sds_streams{variant="delta",instance="b"}': '20x20 12x20',
    },
  },
  SpindleAttestationRefusalsSpike: {
    at: '70m',
    fires: { 'attestation_refusals_total{reason="peer_gone"}': '0x130 2+2x20' },
    quiet: {
      // Always as many.
      'attestation_refusals_total{reason="peer_gone",instance="a"}': '0+2x150',
      // More than before, and few.
      'attestation_refusals_total{reason="peer_gone",instance="b"}': '0x136 4x20',
    },
  },
  SpindleConnectionsRefused: {
    at: '5m',
    fires: {
      'connections_refused_total{reason="uid_limit"}': '0 0 0 1x10',
      'connections_refused_total{reason="closing"}': '0 0 0 1x10',
    },
    quiet: { 'connections_refused_total{reason="closing"}': '0 0 0 1x10' },
  },
  SpindleAuthorityFault: {
    at: '3m',
    fires: { authority_fault: '0x10', jwt_authority_fault: '1x10' },
    quiet: { authority_fault: '0 1 0 1 0 0 0', jwt_authority_fault: '0x10' },
  },
  SpindleCaHasNoSuccessor: {
    at: '7m',
    fires: {
      authority_active_life_left_ratio: '0.3x20',
      authority_active_seconds_left: '7200x20',
      'authority_slots{status="prepared"}': '0x20',
      'authority_slots{status="active"}': '1x20',
    },
    quiet: {
      authority_active_life_left_ratio: '0.3x20',
      authority_active_seconds_left: '7200x20',
      'authority_slots{status="prepared"}': '1x20',
      // A CA of years: its successor is not due yet.
      'authority_active_life_left_ratio{instance="years"}': '0.1x20',
      'authority_active_seconds_left{instance="years"}': `${40 * DAY}x20`,
      'authority_slots{status="prepared",instance="years"}': '0x20',
    },
  },
  SpindleJwtKeyHasNoSuccessor: {
    at: '7m',
    fires: {
      jwt_authority_active_life_left_ratio: '0.3x20',
      jwt_authority_active_seconds_left: '7200x20',
      'jwt_authority_slots{status="prepared"}': '0x20',
      'authority_slots{status="prepared"}': '1x20',
    },
    quiet: {
      jwt_authority_active_life_left_ratio: '0.3x20',
      jwt_authority_active_seconds_left: '7200x20',
      'jwt_authority_slots{status="prepared"}': '1x20',
      'jwt_authority_active_life_left_ratio{instance="years"}': '0.1x20',
      'jwt_authority_active_seconds_left{instance="years"}': `${40 * DAY}x20`,
      'jwt_authority_slots{status="prepared",instance="years"}': '0x20',
    },
  },
  SpindleCaEndsSoon: {
    at: '2m',
    fires: {
      authority_active_life_left_ratio: '0.12x10',
      authority_active_seconds_left: '7200x10',
      'authority_slots{status="prepared"}': '1x10',
    },
    quiet: {
      authority_active_life_left_ratio: '0.13x10',
      authority_active_seconds_left: '7200x10',
      'authority_slots{status="prepared"}': '1x10',
      'authority_active_life_left_ratio{instance="years"}': '0.02x10',
      'authority_active_seconds_left{instance="years"}': `${6 * DAY}x10`,
      'authority_slots{status="prepared",instance="years"}': '1x10',
    },
  },
  SpindleAttachedCaEndsSoon: {
    at: '7m',
    fires: {
      authority_attached_life_left_ratio: '0.01x20',
      authority_attached_seconds_left: `${29 * DAY}x20`,
    },
    quiet: {
      authority_attached_life_left_ratio: '0.3x20',
      authority_attached_seconds_left: `${400 * DAY}x20`,
      // One of a day, as some CAs give out.
      'authority_attached_life_left_ratio{instance="day"}': '0.5x20',
      'authority_attached_seconds_left{instance="day"}': `${DAY / 2}x20`,
    },
  },
  SpindleBundleEndsSoon: {
    at: '7m',
    fires: {
      [`bundle_life_left_ratio${partner}`]: '0.01x20',
      [`bundle_seconds_left${partner}`]: `${6 * DAY}x20`,
    },
    quiet: {
      [`bundle_life_left_ratio${partner}`]: '0.01x20',
      [`bundle_seconds_left${partner}`]: `${30 * DAY}x20`,
      'bundle_life_left_ratio{trust_domain="example.org"}': '0.5x20',
      'bundle_seconds_left{trust_domain="example.org"}': `${DAY / 2}x20`,
    },
  },
  SpindleBundleNotRefreshed: {
    at: '50m',
    fires: {
      [`bundle_file_modified_timestamp_seconds${partner}`]: '0x120',
      [`bundle_refresh_hint_seconds${partner}`]: '300x120',
    },
    quiet: {
      [`bundle_file_modified_timestamp_seconds${partner}`]: '0x120',
      [`bundle_refresh_hint_seconds${partner}`]: '3600x120',
      // PEM says nothing of how often it wants to be fetched.
      'bundle_file_modified_timestamp_seconds{trust_domain="pem.test"}': '0x120',
    },
  },
  SpindleFileNotInUse: {
    at: '2m',
    fires: { 'reload_ok{source="entries"}': '1 0x10', 'reload_ok{source="bundle a.test"}': '1x10' },
    quiet: { 'reload_ok{source="entries"}': '0 1 0 1x10' },
  },
  SpindleClockJumped: {
    at: '5m',
    fires: { 'clock_jumps_total{direction="forward"}': '0 0 0 1x10' },
    quiet: { 'clock_jumps_total{direction="forward"}': '7x10' },
  },
}
