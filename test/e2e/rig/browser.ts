/** A real browser: headless Chromium, driven through its DevTools protocol. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startChild } from '../../../src/os/child.ts'
import { readText } from '../../../src/os/scratch.ts'
import type { Rig } from './rig.ts'
import { eventually } from './rig.ts'

export interface Tab {
  /** What an expression of the page gives, awaited. It must be plain data. */
  evaluate<T>(expression: string): Promise<T>
  /** Text of the first element that `selector` finds; '' where there is none. */
  text(selector: string): Promise<string>
  /** Resolves once the text of `selector` fits. */
  shows(selector: string, wanted: RegExp, withinMs?: number): Promise<string>
  /** Errors and warnings of the console, uncaught exceptions, refused by policy, requests that failed. */
  readonly complaints: readonly string[]
  colours(scheme: 'light' | 'dark'): Promise<void>
  /** Writes a PNG of the whole page, or of `height` pixels of it. */
  picture(file: string, height?: number): Promise<void>
}

export interface Browser {
  open(url: string, size?: { readonly width: number; readonly height: number }): Promise<Tab>
}

const FLAGS = [
  '--headless',
  // The test may be root, for whom the sandbox does not start.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-port=0',
]

/** undefined where there is no browser: the test is skipped then, and in CI it fails. */
export async function startBrowser(t: TestContext, rig: Rig): Promise<Browser | undefined> {
  const binary = (process.env['PATH'] ?? '')
    .split(':')
    .map((folder) => join(folder, 'chromium'))
    .find((path) => existsSync(path))
  if (binary === undefined) {
    if (process.env['CI'] === 'true') assert.fail('no chromium: .ci/run installs it')
    t.skip('needs chromium (Debian: apt-get install chromium)')
    return undefined
  }
  const folder = join(rig.folder, 'chromium')
  mkdirSync(folder)
  // What it keeps beside its profile goes where the test ends it too.
  const home = { HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder, TMPDIR: folder }
  const args = [...FLAGS, `--user-data-dir=${join(folder, 'profile')}`, 'about:blank']
  const child = await startChild(binary, args, { env: home })
  const place = await eventually('the browser listens', () =>
    readText(join(folder, 'profile/DevToolsActivePort')),
  )
  const [port, path] = place.split('\n')
  const protocol = await connectTo(`ws://127.0.0.1:${port}${path}`)
  rig.atEnd(async () => {
    // It may be gone before it has answered.
    await protocol.send('Browser.close').catch(() => undefined)
    protocol.close()
    await child.stop()
  })
  return {
    async open(url, size = { width: 1280, height: 900 }) {
      const { targetId } = await protocol.send('Target.createTarget', { url: 'about:blank' })
      const { sessionId } = await protocol.send('Target.attachToTarget', {
        targetId,
        flatten: true,
      })
      return openTab(protocol, String(sessionId), { url, size })
    },
  }
}

type Message = Readonly<Record<string, unknown>>

interface Protocol {
  send(method: string, params?: Message, sessionId?: string): Promise<Message>
  listen(sessionId: string, heard: (method: string, params: Message) => void): void
  close(): void
}

async function connectTo(url: string): Promise<Protocol> {
  const socket = new WebSocket(url)
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', () => reject(new Error('the browser does not answer')))
  })
  const waiting = new Map<number, { resolve(value: Message): void; reject(why: Error): void }>()
  const listeners = new Map<string, (method: string, params: Message) => void>()
  let sent = 0
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as {
      readonly id?: number
      readonly error?: { readonly message: string }
      readonly result?: Message
      readonly method?: string
      readonly params?: Message
      readonly sessionId?: string
    }
    if (message.id === undefined) {
      listeners.get(message.sessionId ?? '')?.(message.method ?? '', message.params ?? {})
      return
    }
    const call = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error === undefined) call?.resolve(message.result ?? {})
    else call?.reject(new Error(message.error.message))
  })
  socket.addEventListener('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('the browser has ended'))
  })
  return {
    send: (method, params = {}, sessionId) =>
      new Promise((resolve, reject) => {
        sent += 1
        waiting.set(sent, { resolve, reject })
        socket.send(JSON.stringify({ id: sent, method, params, sessionId }))
      }),
    listen: (sessionId, heard) => void listeners.set(sessionId, heard),
    close: () => socket.close(),
  }
}

async function openTab(
  protocol: Protocol,
  sessionId: string,
  {
    url,
    size,
  }: { readonly url: string; readonly size: { readonly width: number; readonly height: number } },
): Promise<Tab> {
  const complaints: string[] = []
  const send = (method: string, params?: Message): Promise<Message> =>
    protocol.send(method, params, sessionId)
  protocol.listen(sessionId, (method, params) => {
    const complaint = complaintOf(method, params)
    if (complaint !== undefined) complaints.push(complaint)
  })
  for (const domain of ['Runtime', 'Log', 'Network', 'Audits', 'Page'])
    await send(`${domain}.enable`)
  const shape = { ...size, deviceScaleFactor: 1, mobile: false }
  await send('Emulation.setDeviceMetricsOverride', shape)
  await send('Page.navigate', { url })

  const evaluate = async <T>(expression: string): Promise<T> => {
    const answer = await send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })
    const { value } = answer['result'] as { readonly value: T }
    if (answer['exceptionDetails'] !== undefined) throw new Error(`${expression} threw`)
    return value
  }
  const text = (selector: string): Promise<string> =>
    evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`)
  return {
    evaluate,
    text,
    complaints,
    shows: (selector, wanted, withinMs) =>
      eventually(
        `${selector} shows ${wanted}`,
        async () => {
          const shown = await text(selector)
          return wanted.test(shown) ? shown : undefined
        },
        withinMs,
      ),
    async colours(scheme) {
      const features = [{ name: 'prefers-color-scheme', value: scheme }]
      await send('Emulation.setEmulatedMedia', { features })
    },
    async picture(file, height) {
      const whole = await evaluate<number>('document.documentElement.scrollHeight')
      await send('Emulation.setDeviceMetricsOverride', { ...shape, height: whole })
      // Two frames: what the new size moves is drawn in the second.
      await evaluate(
        'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))',
      )
      const clip = { x: 0, y: 0, width: size.width, height: height ?? whole, scale: 1 }
      const { data } = await send('Page.captureScreenshot', { format: 'png', clip })
      writeFileSync(file, Buffer.from(String(data), 'base64'))
      await send('Emulation.setDeviceMetricsOverride', shape)
    },
  }
}

function complaintOf(method: string, params: Message): string | undefined {
  const told = (): string => `${method} ${JSON.stringify(params)}`
  switch (method) {
    case 'Runtime.consoleAPICalled':
      return ['error', 'warning', 'assert'].includes(String(params['type'])) ? told() : undefined
    case 'Log.entryAdded': {
      const { level } = params['entry'] as { readonly level: string }
      return ['error', 'warning'].includes(level) ? told() : undefined
    }
    case 'Runtime.exceptionThrown':
    case 'Network.loadingFailed':
    case 'Audits.issueAdded':
      return told()
    default:
      return undefined
  }
}
