/** The status page: asks for the state, hears of what happens, and shows both. */
import type { PageState } from '../http/page-state.ts'
import { createCharts } from './charts.ts'
import { byId, only } from './dom.ts'
import type { Tone } from './dom.ts'
import { createEntries } from './entries.ts'
import { createEvents } from './events.ts'
import type { Readiness } from './overview.ts'
import { createOverview } from './overview.ts'
import { createSidecars } from './sidecars.ts'
import { isLate, untilText } from './text.ts'
import { createTrust } from './trust.ts'
import { createWorkloads } from './workloads.ts'

/** The agent describes its state once a second at the most. */
const SOONEST_MS = 1_100
const LATEST_MS = 5_000
const READINESS_MS = 15_000
const TICK_MS = 1_000

function startPage(): void {
  const windowed = only<HTMLSelectElement>(document, '#window')
  const charts = createCharts(() => Number(windowed.value))
  const parts = [createSidecars(), createWorkloads(), createEntries(), createTrust()]
  const overview = createOverview()
  let state: PageState | undefined
  let readiness: Readiness | undefined
  /** How far the agent's clock is ahead of the browser's. */
  let ahead = 0
  let asked = 0
  let isAsking = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const events = createEvents(() => {
    tellConnection()
    plan(SOONEST_MS)
  })
  const now = (): number => Date.now() + ahead

  /** Asks again `SOONEST_MS` after the last time, or later. */
  const plan = (withinMs: number): void => {
    clearTimeout(timer)
    const wait = Math.max(asked + withinMs - performance.now(), 50)
    timer = setTimeout(() => void refresh(), wait)
  }
  const refresh = async (): Promise<void> => {
    if (isAsking || document.hidden) return
    isAsking = true
    asked = performance.now()
    try {
      const latest = await ask<PageState>('/api/state')
      if (state !== undefined && state.agent.startedAt !== latest.agent.startedAt) events.restart()
      state = latest
      // Small differences are the way the answer took; they would make every count tremble.
      const off = latest.at - Date.now()
      if (Math.abs(off - ahead) > 2_000) ahead = off
      draw()
    } catch {
      // Said by the badge: the answer is older than it should be.
    }
    isAsking = false
    tellConnection()
    const newest = events.kept.at(-1)?.at ?? 0
    plan(state !== undefined && newest > state.at ? SOONEST_MS : LATEST_MS)
  }
  const draw = (): void => {
    if (state === undefined) return
    overview(state, readiness, now())
    for (const part of parts) part(state)
    count(now())
    charts.draw(state, events.kept, now())
  }
  const tellConnection = (): void => {
    const [tone, text] = connectionText(state, now(), events.isLive)
    const badge = byId('connection')
    badge.className = `badge ${tone}`
    if (badge.textContent !== text) badge.textContent = text
  }
  const checkReadiness = async (): Promise<void> => {
    try {
      readiness = await ask<Readiness>('/ready')
      draw()
    } catch {
      // As above.
    }
  }

  windowed.addEventListener('change', draw)
  addEventListener('resize', draw)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
  document.addEventListener('visibilitychange', () => plan(0))
  setInterval(() => {
    if (document.hidden) return
    draw()
    tellConnection()
  }, TICK_MS)
  setInterval(() => void (document.hidden || checkReadiness()), READINESS_MS)
  void refresh()
  void checkReadiness()
}

/** /ready answers 503 with the same shape. @throws where the agent does not answer */
async function ask<T>(path: string): Promise<T> {
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(LATEST_MS) })
  if (!answer.ok && path !== '/ready') throw new Error(`${path}: ${answer.status}`)
  return (await answer.json()) as T
}

function connectionText(
  state: PageState | undefined,
  now: number,
  isLive: boolean,
): readonly [Tone, string] {
  if (state === undefined) return ['quiet', '… connecting']
  if (now - state.at > 3 * LATEST_MS)
    return ['bad', `✕ no answer; as of ${untilText(state.at, now)}`]
  return isLive ? ['good', '● live'] : ['warn', '… timeline reconnecting']
}

/** Brings every countdown and bar of the page to `now`. */
function count(now: number): void {
  for (const element of document.querySelectorAll<HTMLElement>('[data-until]')) {
    const until = Number(element.dataset['until'])
    const { from } = element.dataset
    const text = untilText(until, now)
    if (element.textContent !== text) element.textContent = text
    element.classList.toggle('late', from !== undefined && isLate(Number(from), until, now))
  }
  for (const bar of document.querySelectorAll<HTMLProgressElement>('[data-life]')) {
    const [from = 0, until = 0] = (bar.dataset['life'] ?? '').split(' ').map(Number)
    bar.max = until - from
    bar.value = Math.max(0, until - now)
    bar.classList.toggle('low', isLate(from, until, now))
  }
}

startPage()
