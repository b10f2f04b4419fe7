/** For each alert about servers what `alert-cases.ts` has for those about agents. The prefix left out is `spindle_server_`. */
import type { AlertCase } from './alert-cases.ts'

const DAY = 86_400
const renew = 'rpc="spire.api.server.agent.v1.Agent/RenewAgent"'
const attest = 'rpc="spire.api.server.agent.v1.Agent/AttestAgent"'
const answers = (le: string, more = ''): string =>
  `store_seconds_bucket{object="entries",operation="list",le="${le}"${more}}`

export const SERVER_ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  SpindleServerDown: {
    at: '3m',
    fires: { 'up{job="spindle-server"}': '1 0x10' },
    quiet: { 'up{job="spindle-server"}': '1 0 0 1x10', 'up{job="other"}': '0x10' },
  },
  SpindleServerNotReady: {
    at: '2m',
    fires: { ready: '0x10' },
    quiet: { ready: '0 1x10' },
  },
  SpindleServerCallFailed: {
    at: '15m',
    // The first of its kind, and one more.
    fires: {
      [`rpcs_total{${renew},code="INTERNAL",instance="a"}`]: '_x20 1x20',
    },
    quiet: {
      [`rpcs_total{${renew},code="INTERNAL"}`]: '7x40',
      [`rpcs_total{${renew},code="UNAVAILABLE"}`]: '0+1x40',
      // A stranger's certificate of which the configuration makes no path.
      [`rpcs_total{${attest},code="INTERNAL"}`]: '0+1x40',
    },
  },
  SpindleServerAuditLost: {
    at: '5m',
    fires: { log_failures_total: '0 0 0 1x10' },
    quiet: { log_failures_total: '7x10' },
  },
  SpindleServerAuthorityFault: {
    at: '3m',
    fires: { 'authority_fault{kind="x509"}': '0x10', 'authority_fault{kind="jwt"}': '1x10' },
    quiet: { 'authority_fault{kind="x509"}': '0 1 0 1 0 0 0' },
  },
  SpindleServerAuthorityHasNoSuccessor: {
    at: '7m',
    fires: {
      'authority_active_life_left_ratio{kind="jwt"}': '0.3x20',
      'authority_active_seconds_left{kind="jwt"}': '7200x20',
      'authority_slots{kind="jwt",status="prepared"}': '0x20',
      'authority_slots{kind="jwt",status="active"}': '1x20',
      'authority_slots{kind="x509",status="prepared"}': '1x20',
    },
    quiet: {
      'authority_active_life_left_ratio{kind="x509"}': '0.3x20',
      'authority_active_seconds_left{kind="x509"}': '7200x20',
      'authority_slots{kind="x509",status="prepared"}': '1x20',
      // Of years: its successor is not due yet.
      'authority_active_life_left_ratio{kind="x509",instance="years"}': '0.1x20',
      'authority_active_seconds_left{kind="x509",instance="years"}': `${40 * DAY}x20`,
      'authority_slots{kind="x509",status="prepared",instance="years"}': '0x20',
    },
  },
  SpindleServerAuthorityEndsSoon: {
    at: '2m',
    fires: {
      'authority_active_life_left_ratio{kind="x509"}': '0.12x10',
      'authority_active_seconds_left{kind="x509"}': '7200x10',
      'authority_slots{kind="x509",status="prepared"}': '1x10',
    },
    quiet: {
      'authority_active_life_left_ratio{kind="x509"}': '0.13x10',
      'authority_active_seconds_left{kind="x509"}': '7200x10',
      'authority_slots{kind="x509",status="prepared"}': '1x10',
      'authority_active_life_left_ratio{kind="x509",instance="years"}': '0.02x10',
      'authority_active_seconds_left{kind="x509",instance="years"}': `${6 * DAY}x10`,
      'authority_slots{kind="x509",status="prepared",instance="years"}': '1x10',
    },
  },
  SpindleServerAttachedCaEndsSoon: {
    at: '7m',
    fires: {
      authority_attached_life_left_ratio: '0.01x20',
      authority_attached_seconds_left: `${29 * DAY}x20`,
    },
    quiet: {
      authority_attached_life_left_ratio: '0.3x20',
      authority_attached_seconds_left: `${400 * DAY}x20`,
      'authority_attached_life_left_ratio{instance="day"}': '0.5x20',
      'authority_attached_seconds_left{instance="day"}': `${DAY / 2}x20`,
    },
  },
  SpindleServerAboveAway: {
    at: '7m',
    fires: { above_fault: '0 1x20' },
    quiet: { above_fault: '1 1 1 0x20' },
  },
  SpindleServerBundleNotPublished: {
    at: '7m',
    fires: { publication_fault: '0 1x20' },
    quiet: { publication_fault: '1 1 1 0x20' },
  },
  SpindleServerSvidExpiring: {
    at: '2m',
    fires: { svid_life_left_ratio: '0.19x10' },
    quiet: { svid_life_left_ratio: '0.21x10' },
  },
  SpindleServerIssuingFailing: {
    at: '10m',
    fires: { 'issue_failures_total{kind="x509"}': '0+1x20' },
    quiet: { 'issue_failures_total{kind="x509"}': '0 1x20' },
  },
  SpindleServerStoreFailing: {
    at: '10m',
    fires: {
      'store_failures_total{object="entries",operation="create"}': '0 1 1 2 2 3 3 4 4 5 5x10',
      'store_failures_total{object="servers",operation="seen"}': '0+1x20',
    },
    quiet: { 'store_failures_total{object="entries",operation="create"}': '0 1x20' },
  },
  SpindleServerStoreSlow: {
    at: '20m',
    fires: { [answers('0.5')]: '0x40', [answers('2.5')]: '0+1x40', [answers('+Inf')]: '0+1x40' },
    // One of a thousand is slow.
    quiet: {
      [answers('0.1')]: '0+999x40',
      [answers('0.5')]: '0+999x40',
      [answers('2.5')]: '0+1000x40',
      [answers('+Inf')]: '0+1000x40',
    },
  },
  SpindleServerAgentsGone: {
    at: '20m',
    fires: {
      'agents_connected{instance="a"}': '40x24 3x20',
      'agents_connected{instance="b"}': '20x24 0x20',
    },
    // Those of one server go to the other; and a fleet of two.
    quiet: {
      'agents_connected{instance="a"}': '40x24 0x20',
      'agents_connected{instance="b"}': '20x24 60x20',
      'agents_connected{fleet="small"}': '2x24 0x20',
    },
  },
  SpindleServerAgentsBehind: {
    at: '7m',
    fires: { agents_behind: '0 2x20' },
    // Those of each change, for a moment.
    quiet: { agents_behind: '900 0 900 0 900 0 900 0 900 0 900 0 900 0 900 0' },
  },
  SpindleServerDenialsSpike: {
    at: '70m',
    fires: { 'denials_total{reason="role"}': '0x130 2+2x20' },
    quiet: {
      // Always as many.
      'denials_total{reason="role",instance="a"}': '0+2x150',
      // More than before, and few.
      'denials_total{reason="role",instance="b"}': '0x136 4x20',
      // A fleet that joins from behind one address.
      'denials_total{reason="rate_limited",instance="c"}': '0x130 20+20x20',
    },
  },
  SpindleServerRateLimited: {
    at: '25m',
    fires: { [`rpcs_total{${attest},code="RESOURCE_EXHAUSTED"}`]: '1+1x60' },
    // A fleet that came back at once.
    quiet: { [`rpcs_total{${attest},code="RESOURCE_EXHAUSTED"}`]: '0 50 90x60' },
  },
  SpindleServerConnectionsRefused: {
    at: '5m',
    fires: {
      'connections_refused_total{reason="address_limit"}': '0 0 0 1x10',
      'connections_refused_total{reason="handshake_failed"}': '0 0 0 1x10',
    },
    // Whoever looks what listens here.
    quiet: { 'connections_refused_total{reason="handshake_failed"}': '0+1x20' },
  },
}
