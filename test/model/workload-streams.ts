/** What a stream of the Workload API says, as docs/workload-api.md has it, worked out anew at each tenth of a second. */
import { status } from '../../src/runtime/grpc-status.ts'
import type { StreamRpc } from '../../src/agent/serve/workload/stream.ts'

export const TICK_MS = 100

export interface EntryPlan {
  readonly hint: string
  readonly isDefault: boolean
  readonly federates: boolean
}

/** How things are at one moment. */
export interface World {
  /** Indices of entries, in the order of the file. */
  granted: readonly number[]
  possible: readonly number[]
  decided: boolean
  readonly labels: (string | undefined)[]
  readonly faults: boolean[]
  own: readonly string[] | undefined
  partner: readonly string[] | undefined
  reads: boolean
}

interface Said {
  readonly lines: readonly string[]
  readonly isWhole: boolean
}

/** Default first, then the file's order, and of each hint the first. */
function order(plans: readonly EntryPlan[], indices: readonly number[]): readonly number[] {
  const first = indices.find((index) => plans[index]!.isDefault) ?? indices[0]
  const ordered = first === undefined ? [] : [first, ...indices.filter((index) => index !== first)]
  return ordered.filter((index, at) => {
    const { hint } = plans[index]!
    return hint === '' || !ordered.slice(0, at).some((before) => plans[before]!.hint === hint)
  })
}

/** The full state of the caller; why there is none to tell otherwise. */
export function wholeState(
  rpc: StreamRpc,
  world: World,
  { plans, isFirst, open }: { plans: readonly EntryPlan[]; isFirst: boolean; open: boolean },
): Said | 'pending' | 'denied' {
  const { granted, possible, decided, labels, faults, own, partner } = world
  const isSvid = rpc === 'FetchX509SVID'
  if (granted.length === 0 && (isSvid || !open)) return decided ? 'denied' : 'pending'
  if (own === undefined || own.length === 0) return 'pending'
  const federates = granted.some((index) => plans[index]!.federates)
  const told = federates && partner !== undefined && partner.length > 0 ? partner : undefined
  const ownLine = `spiffe://example.org ${shownKeys(rpc, own)}`
  const partnerLines = told === undefined ? [] : [`spiffe://partner.test ${shownKeys(rpc, told)}`]
  if (!isSvid) return { lines: [ownLine, ...partnerLines], isWhole: decided }
  const mine = order(plans, granted)
  if (isFirst) {
    const later = order(plans, possible)
    if (later[0] !== mine[0] || mine.some((index) => !later.includes(index))) return 'pending'
  }
  const shown = mine.filter((index) => labels[index] !== undefined)
  if (shown.length === 0 || (isFirst && shown[0] !== mine[0])) return 'pending'
  const lines = shown.map((index) => {
    const label = labels[index]!
    const parts = [`spiffe://example.org/e${index}`, `chain ${label}`, `key ${label}`, own.join('')]
    return [...parts, plans[index]!.hint].join(' ').trim()
  })
  const isWhole = decided && mine.every((index) => labels[index] !== undefined || faults[index])
  return { lines: [...lines, ...partnerLines], isWhole }
}

function shownKeys(rpc: StreamRpc, labels: readonly string[]): string {
  if (rpc !== 'FetchJWTBundles') return labels.join('')
  return JSON.stringify({ keys: labels.toSorted().map((kid) => ({ kid, kty: 'EC' })) })
}

/** One stream, as the page says it is (docs/workload-api.md). */
export class Model {
  readonly messages: (readonly string[])[] = []
  ended: number | undefined
  readonly #rpc: StreamRpc
  readonly #plans: readonly EntryPlan[]
  readonly #open: boolean
  #age = 0
  /** For how long something was missing in a message that was due; undefined: nothing is. */
  #missingFor: number | undefined
  #unread = false

  constructor(rpc: StreamRpc, plans: readonly EntryPlan[], open: boolean) {
    this.#rpc = rpc
    this.#plans = plans
    this.#open = open
  }

  tick(world: World): void {
    this.#age += TICK_MS
    if (this.#missingFor !== undefined) this.#missingFor += TICK_MS
    this.look(world)
  }

  look(world: World): void {
    if (world.reads) this.#unread = false
    if (this.ended !== undefined || this.#unread) return
    const isFirst = this.messages.length === 0
    const isLate = isFirst && this.#age >= 5_000
    const now = wholeState(this.#rpc, world, { plans: this.#plans, isFirst, open: this.#open })
    if (now === 'denied') this.ended = status.PERMISSION_DENIED
    else if (now !== 'pending') this.#told(now, { reads: world.reads, isLate })
    if (this.ended === undefined && isLate && this.messages.length === 0)
      this.ended = status.UNAVAILABLE
  }

  #told({ lines, isWhole }: Said, { reads, isLate }: { reads: boolean; isLate: boolean }): void {
    if (isWhole) this.#missingFor = undefined
    if (String(lines) === String(this.messages.at(-1))) return
    if (!isWhole) {
      this.#missingFor ??= 0
      if (this.#missingFor < 1_000 && !isLate) return
    }
    this.messages.push(lines)
    this.#unread = !reads
  }
}
