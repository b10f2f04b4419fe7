import { createServer, connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { PostgresTarget } from '../../src/store/postgres/target.ts'
import { temporaryFolder } from './folder.ts'

/** Between a store and its database: what a network does when it fails. */
export interface PostgresProxy {
  readonly target: PostgresTarget
  /** Cuts each connection that sends `text`, before it is passed on or after it. */
  cutAt(text: string, when: 'before' | 'after'): void
  /** From when `text` is sent on, nothing passes: nobody is told, or every connection is cut. */
  failAt(text: string, how: 'silent' | 'down'): void
  /** Nothing passes, and nobody is told. */
  silent: boolean
  /** Whatever comes is cut. */
  down: boolean
  readonly cuts: number
}

export async function proxyTo(t: TestContext, to: PostgresTarget): Promise<PostgresProxy> {
  const folder = temporaryFolder(t)
  const name = `.s.PGSQL.${to.port}`
  const sockets = new Set<Socket>()
  let rule: { readonly text: string; readonly when: 'before' | 'after' } | undefined
  let failing: { readonly text: string; readonly how: 'silent' | 'down' } | undefined
  const proxy = {
    target: { ...to, host: folder },
    silent: false,
    down: false,
    failAt(text: string, how: 'silent' | 'down') {
      failing = { text, how }
    },
    cuts: 0,
    cutAt(text: string, when: 'before' | 'after') {
      rule = { text, when }
    },
  }
  const server = createServer((client) => {
    const upstream = connect(join(to.host, name))
    const cut = (): void => {
      proxy.cuts++
      rule = undefined
      client.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.on('data', (data) => {
      if (failing !== undefined && data.includes(failing.text)) {
        proxy[failing.how] = true
        failing = undefined
      }
      if (proxy.silent) return
      if (proxy.down) return void client.destroy()
      const met = rule !== undefined && data.includes(rule.text)
      if (met && rule?.when === 'before') return cut()
      upstream.write(data)
      if (met) cut()
    })
    upstream.on('data', (data) => {
      if (!proxy.silent) client.write(data)
    })
    client.on('close', () => upstream.end())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(join(folder, name), resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return proxy
}
