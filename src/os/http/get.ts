import { lookup } from 'node:dns'
import { Agent, request } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../../runtime/clock.ts'

export type { LookupFunction } from 'node:net'

export interface HttpTarget {
  readonly host: string
  readonly port: number
  readonly path: string
}

export interface HttpGetOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly lookup: LookupFunction
  /** For all of it: the name, the connection and the answer. */
  readonly deadlineMs: number
  readonly mostBytes: number
}

const MOST_HEADERS = 8192

/** Where no host is, but the metadata of clouds may be. */
const NO_HOST = blockList([
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
  ['::', 128],
  ['fe80::', 10],
  ['ff00::', 8],
])

function blockList(subnets: readonly (readonly [address: string, prefix: number])[]): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of subnets)
    list.addSubnet(address, prefix, isIPv6(address) ? 'ipv6' : 'ipv4')
  return list
}

/**
 * The text that a host nobody vouches for answers with, of status 200. Nobody else is asked instead: no redirect, no proxy.
 * @throws Error that says why there is none
 */
export function httpGet(target: HttpTarget, options: HttpGetOptions): Promise<string> {
  const { clock, signal, deadlineMs, mostBytes } = options
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  // An address is not looked up.
  if (isIP(target.host) !== 0 && isNoHost(target.host)) return Promise.reject(noHost())
  // One of its own: the global one may go by a proxy of the environment.
  const agent = new Agent({ keepAlive: false })
  const lookup = checkedLookup(options.lookup)
  const asked = request({ ...target, agent, lookup, signal, maxHeaderSize: MOST_HEADERS })
  const late = clock.after(deadlineMs, () =>
    asked.destroy(new Error(`no answer within ${deadlineMs / 1_000} s`)),
  )
  asked.on('error', reject)
  asked.on('response', (response) => {
    let body = ''
    response.setEncoding('latin1')
    response.on('data', (chunk: string) => {
      body += chunk
      if (body.length <= mostBytes) return
      reject(new Error(`the answer is longer than ${mostBytes} bytes`))
      asked.destroy()
    })
    response.on('error', reject)
    response.on('end', () => {
      if (response.statusCode === 200) resolve(body)
      else reject(new Error(`the answer has status ${response.statusCode}`))
    })
  })
  asked.end()
  return promise.finally(() => {
    late.cancel()
    asked.destroy()
    agent.destroy()
  })
}

export const systemLookup: LookupFunction = lookup

/** A name that leads to no host is not called; nor is it looked up again in between. */
function checkedLookup(look: LookupFunction): LookupFunction {
  return (name, options, done) =>
    look(name, options, (error, address, family) => {
      if (error !== null) return done(error, address, family)
      const found = typeof address === 'string' ? [address] : address.map((one) => one.address)
      if (found.some(isNoHost)) return done(noHost(), '', family)
      done(null, address, family)
    })
}

const isNoHost = (address: string): boolean =>
  NO_HOST.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

const noHost = (): Error => new Error('the host name leads to an address that is no host')
