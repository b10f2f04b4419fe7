import { SpindleError } from '../runtime/errors.ts'

/** Where a Workload API is served (SPIFFE_Workload_Endpoint 4). */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  /** `address` is IPv4 or IPv6, without brackets. */
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }

/** What a client sends with each call, so that nobody is made to ask who does not know what it asks (Workload_Endpoint 3). */
export const SECURITY_HEADER = { 'workload.spiffe.io': 'true' } as const

const ALLOWED = 'allowed: unix:///path/of/the/socket or tcp://IP:port'
/** RFC 3986 3: an absolute URI, its parts told apart by their marks, so that an empty query is still one. */
const URI = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/s
/** RFC 3986 3.3: segments of pchar. */
const PATH = /^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$/

/**
 * Reads a value of `SPIFFE_ENDPOINT_SOCKET` from its raw text (Workload_Endpoint 4). A URL parser is never asked: it would
 * repair what the standard refuses, and what it passes on as a host gRPC takes for a part of the path.
 * @throws SpindleError `endpoint_invalid` naming what is wrong and what is allowed
 */
export function parseEndpoint(uri: string): Endpoint {
  const [whole, scheme = '', authority, path = '', query, fragment] = URI.exec(uri) ?? []
  if (whole === undefined) throw invalid(uri, 'is not a URI')
  const kind = scheme.toLowerCase()
  if (kind !== 'unix' && kind !== 'tcp') throw invalid(uri, `has the scheme ${scheme}`)
  if (query !== undefined) throw invalid(uri, 'has a query')
  if (fragment !== undefined) throw invalid(uri, 'has a fragment')
  return kind === 'unix' ? unixEndpoint(uri, authority, path) : tcpEndpoint(uri, authority, path)
}

/** No authority, an absolute path, nothing else. */
function unixEndpoint(uri: string, authority: string | undefined, path: string): Endpoint {
  if (authority !== undefined && authority !== '')
    throw invalid(uri, `has the host ${JSON.stringify(authority)}, and a unix socket has none`)
  if (!path.startsWith('/')) throw invalid(uri, 'has no absolute path')
  if (!PATH.test(path))
    throw invalid(uri, 'has a character in its path that a URI must percent-encode')
  const decoded = percentDecoded(path)
  // eslint-disable-next-line no-control-regex
  if (decoded === undefined || /[\0-\x1f\x7f]/.test(decoded))
    throw invalid(uri, 'has a path that is not UTF-8 without control characters')
  if (decoded.endsWith('/')) throw invalid(uri, 'names a folder, not a socket')
  return { kind: 'unix', path: decoded.replace(/^\/+/, '/') }
}

/** An IP address and a port, nothing else, not even `/`. */
function tcpEndpoint(uri: string, authority: string | undefined, path: string): Endpoint {
  if (authority === undefined) throw invalid(uri, 'has no // in front of its address')
  if (path !== '') throw invalid(uri, 'has a path, and a tcp endpoint has none')
  if (authority.includes('@')) throw invalid(uri, 'has a user')
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/s.exec(authority) ?? []
  const address = bracketed ?? plain ?? ''
  const isIp = bracketed === undefined ? isIpv4(address) : isIpv6(address)
  if (!isIp) throw invalid(uri, 'has a host that is not an IP address (an IPv6 one in brackets)')
  if (port === undefined || port === '') throw invalid(uri, 'has no port')
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0
  if (number < 1 || number > 65_535)
    throw invalid(uri, 'has a port that is not one from 1 to 65535')
  return { kind: 'tcp', address, port: number }
}

function percentDecoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

/** RFC 3986 3.2.2: four decimal octets without leading zeros, which some readers take for octal. */
function isIpv4(text: string): boolean {
  const octets = text.split('.')
  return (
    octets.length === 4 &&
    octets.every((octet) => /^(?:0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)
  )
}

/** RFC 3986 3.2.2: eight groups, of which one run of zeros may be `::`, and the last two an IPv4 address. No zone. */
function isIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2) return false
  const sizes = halves.map((half, index) => groupsOf(half, index === halves.length - 1))
  if (sizes.includes(undefined)) return false
  const groups = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  return halves.length === 2 ? groups <= 7 : groups === 8
}

/** How many groups of 16 bits a run stands for; undefined: it is none. */
function groupsOf(run: string, isLast: boolean): number | undefined {
  if (run === '') return 0
  const groups = run.split(':')
  const embedded = isLast && isIpv4(groups.at(-1) ?? '')
  const hexadecimal = embedded ? groups.slice(0, -1) : groups
  if (!hexadecimal.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return undefined
  return hexadecimal.length + (embedded ? 2 : 0)
}

function invalid(uri: string, fault: string): SpindleError {
  const shown = uri.length > 120 ? `${uri.slice(0, 120).toWellFormed()}…` : uri
  return new SpindleError('endpoint_invalid', `${JSON.stringify(shown)} ${fault}; ${ALLOWED}`)
}
