/** Hosts of a fleet: network namespaces on one bridge, each with a loopback of its own, which end with the test. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { request } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { startChild } from '../../../src/os/child.ts'
import type { Answer, Rig } from './rig.ts'
import { eventually } from './rig.ts'

const run = promisify(execFile)

export interface Host {
  /** On the network that the hosts share. */
  readonly address: string
  /** Put in front of a command, it runs there. */
  readonly through: readonly string[]
  /** One HTTP request to the host's own loopback, as a program there makes it. */
  get(port: number, path?: string): Promise<Answer>
  /** An HTTP server on the host's loopback that answers 200 with `body`. Resolves to its port. */
  app(body: string): Promise<number>
  /** Whether the network reaches it. */
  link(up: boolean): Promise<void>
}

/** The longest that a test with hosts may take; what it leaves behind ends then. */
const HOLD_SECONDS = 600
const DEADLINE_MS = 20_000

/** Whether this machine lets a test make hosts; where not, the test is skipped, but for CI, where that is a failure. */
export function canMakeHosts(t: TestContext): boolean {
  const able =
    process.getuid?.() === 0 &&
    spawnSync('ip', ['-V']).status === 0 &&
    spawnSync('unshare', ['--net', 'true']).status === 0
  if (able) return true
  assert.notEqual(process.env['CI'], 'true', 'CI can make network namespaces')
  t.skip('needs root, ip and network namespaces')
  return false
}

/** The first host holds the bridge. */
export async function createHosts(rig: Rig, count: number): Promise<readonly Host[]> {
  const holders = []
  for (let index = 0; index < count; index++) holders.push(await startHolder(rig))
  const [first = 0] = holders
  const inFirst = (...args: string[]) => ip(first, args)
  await inFirst('link', 'add', 'bridge', 'type', 'bridge')
  await inFirst('addr', 'add', '10.99.0.1/24', 'dev', 'bridge')
  await inFirst('link', 'set', 'bridge', 'up')
  for (const [index, pid] of holders.entries()) {
    await ip(pid, ['link', 'set', 'lo', 'up'])
    if (index === 0) continue
    const port = `host${index}`
    await inFirst('link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`)
    await inFirst('link', 'set', port, 'master', 'bridge', 'up')
    await ip(pid, ['addr', 'add', `10.99.0.${index + 1}/24`, 'dev', 'eth0'])
    await ip(pid, ['link', 'set', 'eth0', 'up'])
  }
  return Promise.all(
    holders.map(async (pid, index) => ({
      address: `10.99.0.${index + 1}`,
      through: ['nsenter', ...within(pid)],
      app: (body: string) => startApp(rig, pid, body),
      get: await startRelay(rig, pid, `relay-${index}.sock`),
      async link(up) {
        const device = index === 0 ? 'bridge' : 'eth0'
        await ip(pid, ['link', 'set', device, up ? 'up' : 'down'])
      },
    })),
  )
}

/** Arguments of nsenter. */
const within = (pid: number): string[] => [`--net=/proc/${pid}/ns/net`, '--']

async function ip(pid: number, args: readonly string[]): Promise<void> {
  await run('nsenter', [...within(pid), 'ip', ...args], { timeout: DEADLINE_MS })
}

/** A process that does nothing keeps a namespace. */
async function startHolder(rig: Rig): Promise<number> {
  const holder = await startChild('unshare', ['--net', '--', 'sleep', `${HOLD_SECONDS}`])
  rig.atEnd(() => holder.stop())
  const own = readlinkSync('/proc/self/ns/net')
  await eventually('a network namespace', () => readlinkSync(`/proc/${holder.pid}/ns/net`) !== own)
  return holder.pid
}

/** Connections to a Unix socket go to a port of the host's loopback: its number is the first line. */
const RELAY = `
const { connect, createServer } = require('node:net')
createServer((from) => {
  from.once('data', (first) => {
    from.pause()
    const end = first.indexOf(10)
    const to = connect(Number(first.subarray(0, end)), '127.0.0.1', () => {
      to.write(first.subarray(end + 1))
      from.pipe(to).pipe(from)
    })
    for (const [one, other] of [[from, to], [to, from]]) one.on('error', () => other.destroy())
  })
}).listen(process.argv[1], () => console.log('ready'))
setTimeout(() => process.exit(), ${HOLD_SECONDS * 1000}).unref()
`

const APP = `
const server = require('node:http').createServer((_, answer) => answer.end(process.argv[1]))
server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port))
setTimeout(() => process.exit(), ${HOLD_SECONDS * 1000}).unref()
`

async function startApp(rig: Rig, pid: number, body: string): Promise<number> {
  const command = [...within(pid), process.execPath, '-e', APP, body]
  const app = await startChild('nsenter', command)
  rig.atEnd(() => app.stop())
  return Number((await app.line((line) => line.startsWith('port '))).slice('port '.length))
}

async function startRelay(rig: Rig, pid: number, name: string): Promise<Host['get']> {
  const path = join(rig.folder, name)
  const command = [...within(pid), process.execPath, '-e', RELAY, path]
  const relay = await startChild('nsenter', command)
  rig.atEnd(() => relay.stop())
  await relay.line((line) => line === 'ready')
  return (port, target = '/') =>
    new Promise((resolve, reject) => {
      const open = (): Socket => {
        const socket = connect(path).setTimeout(5_000, () => socket.destroy(new Error('timeout')))
        socket.write(`${port}\n`)
        return socket
      }
      const call = request(
        { host: '127.0.0.1', path: target, createConnection: open },
        (answer) => {
          let body = ''
          answer.setEncoding('utf8').on('data', (text: string) => (body += text))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
        },
      )
      call.on('error', reject)
      call.end()
    })
}
