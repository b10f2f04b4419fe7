/** How SPIRE's commands write instants, durations and codes, which are Go's ways. */
import { status } from '../../runtime/grpc-status.ts'

/** `2026-11-22 10:09:55 +0000 UTC`, of seconds since 1970. */
export function goInstant(seconds: bigint): string {
  const [date, time] = new Date(Number(seconds) * 1000).toISOString().split(/T|\./)
  return `${date} ${time} +0000 UTC`
}

/** `1h0m5s` */
export function goDuration(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  if (h > 0) return `${h}h${m}m${s}s`
  return m > 0 ? `${m}m${s}s` : `${s}s`
}

/** `AlreadyExists` */
export function codeName(code: number): string {
  if (code === status.OK) return 'OK'
  if (code === status.CANCELLED) return 'Canceled'
  const name = Object.entries(status).find(([, value]) => value === code)?.[0]
  if (name === undefined) return `Code(${code})`
  return name
    .toLowerCase()
    .replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** `1 agent`, `2 agents` */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`
}

export const lines = (...all: readonly string[]): string => all.map((line) => `${line}\n`).join('')
