import { BlockList, isIP } from 'node:net'
import * as z from 'zod'
import { messageOf } from '../runtime/errors.ts'
import { parseEndpoint } from '../spiffe/endpoint.ts'
import { parseSpiffeId, parseTrustDomain } from '../spiffe/spiffe-id.ts'

/*
 * The kinds of single values a config is made of, and what several configs have whole. `label` is what the reference calls a value,
 * `allowed` what a fault says; both travel with the schema as metadata, so that page and message cannot disagree with it.
 */

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** ms of `30s`, `5m`, `1h`, `7d`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(0|[1-9]\d{0,8})([smhd])$/.exec(text)
  if (match === null) return undefined
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
}

/** The shortest text that reads back as `ms`; whole seconds only. */
export function durationText(ms: number): string {
  const unit = (['d', 'h', 'm'] as const).find((name) => ms > 0 && ms % UNIT_MS[name] === 0) ?? 's'
  return `${ms / UNIT_MS[unit]}${unit}`
}

const UNIT_BYTES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const

/** Bytes of `512B`, `64KiB`, `256MiB`, `1GiB`; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = /^(0|[1-9]\d{0,9})(B|KiB|MiB|GiB)$/.exec(text)
  if (match === null) return undefined
  return Number(match[1]) * UNIT_BYTES[match[2] as keyof typeof UNIT_BYTES]
}

interface Range {
  /** Texts of the same kind. */
  readonly min: string
  readonly max: string
}

function measured(parse: (text: string) => number | undefined, range: Range) {
  const [min, max] = [parse(range.min)!, parse(range.max)!]
  return z.string().transform((text, context) => {
    const amount = parse(text)
    if (amount !== undefined && amount >= min && amount <= max) return amount
    context.issues.push({ code: 'custom', input: text })
    return z.NEVER
  })
}

/** Reads to milliseconds. */
export function duration(range: Range) {
  return measured(parseDuration, range).meta({
    label: 'duration',
    allowed: `a whole number and a unit (30s, 5m, 1h, 7d), from ${range.min} to ${range.max}`,
  })
}

/** Reads to bytes. */
export function size(range: Range) {
  return measured(parseSize, range).meta({
    label: 'size',
    allowed: `a whole number and a unit (B, KiB, MiB, GiB), from ${range.min} to ${range.max}`,
  })
}

export function wholeNumber(range: { readonly min: number; readonly max: number }) {
  return z
    .int()
    .min(range.min)
    .max(range.max)
    .meta({
      label: 'whole number',
      allowed: `a whole number from ${range.min} to ${range.max}`,
    })
}

/** Resolved against the folder of the config file later. */
export function path() {
  return z
    .string()
    .refine((text) => text !== '' && !text.includes('\0'))
    .meta({ label: 'path', allowed: 'a path, relative to the folder of this file or absolute' })
}

function parsed<T>(parse: (text: string) => T, noun: string) {
  return z.string().transform((text, context) => {
    try {
      return parse(text)
    } catch (error) {
      const message = `is not ${noun}: ${messageOf(error)}`
      context.issues.push({ code: 'custom', message, input: text })
      return z.NEVER
    }
  })
}

export function trustDomain() {
  return parsed(parseTrustDomain, 'a trust domain').meta({
    label: 'trust domain',
    allowed: 'a trust domain name such as example.org',
  })
}

export function spiffeId() {
  return parsed(parseSpiffeId, 'a SPIFFE ID').meta({
    label: 'SPIFFE ID',
    allowed: 'a SPIFFE ID such as spiffe://example.org/web',
  })
}

/** Where a Workload API is served. */
export function endpoint() {
  return parsed(parseEndpoint, 'an endpoint').meta({
    label: 'endpoint',
    allowed: 'unix:///path/of/the/socket or tcp://IP:port',
  })
}

/** The name of a secret; never one that could be taken for a SPIFFE ID, nor `*`, which asks for all there are. */
export function secretName() {
  return z
    .string()
    .refine((text) => text.length > 0 && text.length <= 256 && printable(text))
    .refine((text) => text !== '*' && !text.toLowerCase().startsWith('spiffe://'))
    .meta({
      label: 'name',
      allowed:
        '1 to 256 printable ASCII characters other than *, which do not begin with spiffe://',
    })
}

function printable(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text)
}

export interface Listen {
  readonly host: string
  readonly port: number
}

/** Whether `host`, an IP address or `localhost`, is reached from this host alone. */
export function isLoopback(host: string): boolean {
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8)
  loopback.addAddress('::1', 'ipv6')
  return host === 'localhost' || loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
}

/** `127.0.0.1:9988`, `[::1]:0`, `localhost:9988`. */
export function listenAddress() {
  return z
    .string()
    .transform((text, context): Listen => {
      const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
      const host = match?.[1] ?? match?.[2] ?? ''
      const fits =
        match?.[1] === undefined ? isIP(host) === 4 || host === 'localhost' : isIP(host) === 6
      const port = Number(match?.[3])
      if (match !== null && fits && port <= 65_535) return { host, port }
      context.issues.push({ code: 'custom', input: text })
      return z.NEVER
    })
    .meta({
      label: 'host:port',
      allowed:
        'an IP address or localhost and a port (127.0.0.1:9988, [::1]:9988); port 0 takes a free one',
    })
}

/** Where a server is called. */
export interface HostAndPort {
  /** A DNS name or an IP address, without brackets. */
  readonly host: string
  readonly port: number
}

const DNS_NAME = /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9_-]*)(?:\.[A-Za-z0-9_-]+)*\.?$/

/** `server.example.org:8081`, `10.0.0.1:8081`, `[::1]:8081`. */
export function hostAndPort() {
  return z
    .string()
    .transform((text, context): HostAndPort => {
      const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
      const host = match?.[1] ?? match?.[2] ?? ''
      const fits = match?.[1] === undefined ? DNS_NAME.test(host) : isIP(host) === 6
      const port = Number(match?.[3])
      if (match !== null && fits && port >= 1 && port <= 65_535) return { host, port }
      context.issues.push({ code: 'custom', input: text })
      return z.NEVER
    })
    .meta({
      label: 'host:port',
      allowed: 'a host name or IP address and a port (server.example.org:8081, [::1]:8081)',
    })
}

/** Of every program that runs on. */
export const log = z
  .strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('The least severe level that is written.'),
    format: z
      .enum(['json', 'text'])
      .default('json')
      .describe('One JSON object a line, or one plain line.'),
  })
  .prefault({})
  .describe('The log, on standard error. It never holds key material.')
