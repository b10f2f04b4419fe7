/**
 * Every error Spindle raises on purpose: one class, a closed set of codes, and one table that says what a code
 * means on the wire (gRPC status), to a shell (exit code) and to the reader (what to do; `docs/errors.md` has an
 * anchor for each).
 */
import { status } from './grpc-status.ts'

interface ErrorMeaning {
  readonly grpc: number
  /** 1 failure, 2 usage, 3 not ready, 4 denied (DESIGN part 9). */
  readonly exit: 1 | 2 | 3 | 4
  readonly todo: string
}

export const ERRORS = {
  usage: {
    grpc: status.INVALID_ARGUMENT,
    exit: 2,
    todo: 'Run the command with --help and correct the arguments.',
  },
  config_invalid: {
    grpc: status.FAILED_PRECONDITION,
    exit: 2,
    todo: 'Correct each fault listed; every line names its path and what is allowed.',
  },
  spiffe_id_invalid: {
    grpc: status.INVALID_ARGUMENT,
    exit: 2,
    todo: 'Write the SPIFFE ID as spiffe://trust-domain/path in the characters the standard allows.',
  },
  bundle_invalid: {
    grpc: status.INVALID_ARGUMENT,
    exit: 2,
    todo: 'Provide a SPIFFE bundle (JWKS with x5c) or PEM certificates of that trust domain.',
  },
  endpoint_invalid: {
    grpc: status.INVALID_ARGUMENT,
    exit: 2,
    todo: 'Write the endpoint (--socket, SPIFFE_ENDPOINT_SOCKET) as unix:///path/of/the/socket or tcp://IP:port.',
  },
  selector_invalid: {
    grpc: status.INVALID_ARGUMENT,
    exit: 2,
    todo: 'Write the selector as type:value, for example unix:uid:1001.',
  },
  certificate_invalid: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'Replace the certificate or key named in the message.',
  },
  jwt_svid_invalid: {
    grpc: status.INVALID_ARGUMENT,
    exit: 1,
    todo: 'Ask for a new JWT-SVID with the audience of who checks it; the message names the rule that is broken.',
  },
  authority_unavailable: {
    grpc: status.UNAVAILABLE,
    exit: 3,
    todo: 'See `spindle ca show` for the state of the signing authority, or the log of a server; what runs retries by itself.',
  },
  peer_credentials_unsupported: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'Run on Linux 6.5 or later, or set attestation.pidfd: preferred and accept its limits.',
  },
  peer_gone: {
    grpc: status.UNAUTHENTICATED,
    exit: 4,
    todo: 'The calling process ended or changed while it was being attested; it may connect again.',
  },
  peer_refused: {
    grpc: status.PERMISSION_DENIED,
    exit: 4,
    todo: 'Call from an allowed uid: root, that of the agent or server, or one listed in admin.allow.',
  },
  svid_refused: {
    grpc: status.UNAUTHENTICATED,
    exit: 4,
    todo: 'Connect with an X.509-SVID of the server’s trust domain that has not expired; a node that has none attests anew, without a certificate.',
  },
  no_identity: {
    grpc: status.PERMISSION_DENIED,
    exit: 4,
    todo: 'Register an entry whose selectors match the calling process; `spindle sds explain --pid` says which are missing.',
  },
  limit_reached: {
    grpc: status.RESOURCE_EXHAUSTED,
    exit: 1,
    todo: 'Open fewer connections, streams or names, or raise the limit in `limits`.',
  },
  request_invalid: {
    grpc: status.INVALID_ARGUMENT,
    exit: 1,
    todo: 'Correct the request; the message names the field.',
  },
  precondition_failed: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'Change what the message says stands in the way, then ask again.',
  },
  not_found: {
    grpc: status.NOT_FOUND,
    exit: 1,
    todo: 'Nothing of that name exists for this caller; of secrets `spindle sds explain` says why.',
  },
  not_ready: {
    grpc: status.UNAVAILABLE,
    exit: 3,
    todo: 'Wait for the agent (`spindle status`) or the server (`spindle healthcheck`) to become ready, then try again.',
  },
  socket_unusable: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'Choose a socket path of at most 107 bytes in a folder only root or the agent’s uid can write.',
  },
  file_unwritable: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'Name files in folders that only root or the user who writes them can write, or say so with sharedFolders: true.',
  },
  after_failed: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'See in the log what the command said, or whether pidFile names the process that is meant.',
  },
  listen_failed: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'Choose an address of this host and a free port for the key that the message names, or 0 for any free port.',
  },
  unreachable: {
    grpc: status.UNAVAILABLE,
    exit: 3,
    todo: 'Start the agent or server, or name its socket: --socket or --admin-socket of an agent, --server-socket of a server.',
  },
  unsupported: {
    grpc: status.UNIMPLEMENTED,
    exit: 1,
    todo: 'This agent or server does not offer it; name the socket of one that does.',
  },
  agent_failed: {
    grpc: status.INTERNAL,
    exit: 1,
    todo: 'The agent failed, or what it sent breaks a rule of the Workload API; its log says more.',
  },
  authority_lost: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'Put the copy of `stateDir` back that the message names, or begin with new authorities as it says.',
  },
  store_unavailable: {
    grpc: status.UNAVAILABLE,
    exit: 3,
    todo: 'Give the store back what the message says it lacks: space on its disk, its database server, or time. The server goes on by itself.',
  },
  store_corrupt: {
    grpc: status.DATA_LOSS,
    exit: 1,
    todo: 'Restart the server: it sets a damaged SQLite database aside and prints how to go on from a backup. Look at the disk, too.',
  },
  store_newer: {
    grpc: status.FAILED_PRECONDITION,
    exit: 1,
    todo: 'Run the version of Spindle that last wrote the store, or a later one; or go back to a backup of before.',
  },
  internal: {
    grpc: status.INTERNAL,
    exit: 1,
    todo: 'This is a fault in Spindle; report it with the log line that holds this code.',
  },
} as const satisfies Record<string, ErrorMeaning>

export type ErrorCode = keyof typeof ERRORS

export class SpindleError extends Error {
  override readonly name = 'SpindleError'
  readonly code: ErrorCode

  /** `message` names the place and what is wrong with it; it never holds key material. */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** The text of anything thrown, for a log line or a wrapped error. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

export function codeOf(thrown: unknown): ErrorCode {
  return thrown instanceof SpindleError ? thrown.code : 'internal'
}
