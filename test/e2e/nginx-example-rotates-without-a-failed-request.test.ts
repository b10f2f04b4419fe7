/** The files of examples/nginx with a real nginx. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { parse } from 'yaml'
import { toPem } from '../../src/certs/parse.ts'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Child } from '../../src/os/child.ts'
import { startChild } from '../../src/os/child.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createWorkloadClient } from '../../src/workload/client.ts'
import type { X509Svid } from '../../src/workload/x509.ts'
import type { Agent, EntrySettings } from './rig/agent.ts'
import { lacks } from './rig/confined.ts'
import { copyExample, filesReady, startFiles } from './rig/files.ts'
import type { FreeAddress } from './rig/free-address.ts'
import { freeAddress } from './rig/free-address.ts'
import { startLoad } from './rig/load.ts'
import type { Rig } from './rig/rig.ts'
import { createRig, eventually, write } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'

interface Answered {
  readonly status: number
  readonly body: string
  /** Of nginx's certificate. */
  readonly serial: string
  readonly issuer: string
}

interface Identity {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

const identityOf = ({ chain, privateKey, bundle }: X509Svid): Identity => ({
  cert: chain.map((der) => toPem(der, 'CERTIFICATE')).join(''),
  key: toPem(privateKey, 'PRIVATE KEY'),
  ca: bundle.map((der) => toPem(der, 'CERTIFICATE')).join(''),
})

/** One request on a connection of its own. */
function ask(
  { host, port }: FreeAddress,
  { ca, ...own }: Identity | { readonly ca: string },
  path = '/',
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host,
        port,
        path,
        ca,
        ...own,
        servername: 'web.example.org',
        agent: false,
        timeout: 30_000,
      },
      (answer) => {
        const { serialNumber, issuer } = (answer.socket as TLSSocket).getPeerCertificate()
        let body = ''
        answer.setEncoding('utf8').on('data', (text: string) => (body += text))
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            body,
            serial: serialNumber,
            issuer: JSON.stringify(issuer),
          }),
        )
      },
    )
    call.on('error', reject)
    call.on('timeout', () => call.destroy(new Error('timeout')))
    call.end()
  })
}

interface App {
  readonly port: number
  readonly headers: IncomingHttpHeaders | undefined
  /** The answers to `/slow`, which are held back until they are ended. */
  readonly held: readonly ServerResponse[]
}

/** What nginx stands in front of. */
async function startApp(rig: Rig): Promise<App> {
  const held: ServerResponse[] = []
  let headers: IncomingHttpHeaders | undefined
  const server = createServer((asked, answer) => {
    headers = asked.headers
    if (asked.url === '/slow') held.push(answer)
    else answer.end('hello')
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  rig.atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    held,
    get headers() {
      return headers
    },
  }
}

interface Nginx {
  readonly address: FreeAddress
  readonly start: () => Promise<Child>
}

/** A main configuration as Debian's, with the example's in the place of conf.d. */
async function placeNginx(rig: Rig, appPort: number): Promise<Nginx> {
  const address = await freeAddress()
  const folder = rig.folder
  const site = copyExample('nginx/spindle.conf', join(folder, 'spindle.conf'), {
    '/run/spindle-files/root': join(folder, 'svid'),
    'listen 8443': `listen ${address.host}:${address.port}`,
    '127.0.0.1:8080': `127.0.0.1:${appPort}`,
  })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const main = join(folder, 'nginx.conf')
  write(
    main,
    `user www-data;
worker_processes 2;
daemon off;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  include ${site};
}
`,
  )
  return {
    address,
    async start() {
      const child = await startChild('nginx', ['-c', main])
      rig.atEnd(() => child.stop())
      return child
    },
  }
}

const entriesOf = (file: string): readonly EntrySettings[] =>
  (parse(file) as { entries: readonly EntrySettings[] }).entries

test('nginx by its example: certificates and the CA rotate without a failed request, and only the known client is let in', async (t) => {
  if (lacks(t, 'nginx')) return
  const rig = createRig(t)
  const text = readFileSync(join(ROOT, 'examples/nginx/entries.yaml'), 'utf8')
  const entries = entriesOf(text.replaceAll('unix:uid:1001', 'unix:uid:0'))
  const intruder = { spiffeId: 'spiffe://example.org/intruder', selectors: ['unix:uid:0'] }
  const agent: Agent = await rig.agent({
    entries: [...entries, intruder],
    // Short, and yet longer than a machine stands still. A CA lives for two certificates at least.
    config: { svid: { ttl: '20s' }, authority: { kind: 'embedded', caTtl: '40s' } },
  })
  const app = await startApp(rig)
  const nginx = await placeNginx(rig, app.port)
  const config = copyExample('nginx/files.yaml', join(rig.folder, 'files.yaml'), {
    '/run/spindle-files/root': join(rig.folder, 'svid'),
    '/run/nginx.pid': join(rig.folder, 'nginx.pid'),
  })
  const files = await startFiles(rig, {
    config,
    env: { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.socket}` },
  })
  await filesReady(files)
  const server = await nginx.start()

  // The client is one that follows its own identity, as a program with the Workload API does.
  const workload = createWorkloadClient(
    { kind: 'unix', path: agent.socket },
    { clock: systemClock },
  )
  rig.atEnd(() => workload.close())
  const own = new Map<string, Identity>()
  const watching = new AbortController()
  void workload.watchX509({
    signal: watching.signal,
    onUpdate({ svids }) {
      for (const svid of svids) own.set(svid.spiffeId, identityOf(svid))
    },
  })
  rig.atEnd(() => watching.abort())
  const identity = (name: string): Promise<Identity> =>
    eventually(`the identity of ${name}`, () => own.get(`spiffe://example.org/${name}`))
  const first = await identity('client')
  const asClient = async (path?: string): Promise<Answered> =>
    ask(nginx.address, await identity('client'), path)
  await eventually('nginx answers', asClient)

  await t.test('who is in the map is let in, and the application is told who it is', async () => {
    assert.deepEqual((await asClient()).status, 200)
    assert.equal(app.headers?.['x-caller'], 'client')
    const pem = decodeURIComponent(String(app.headers?.['x-caller-certificate']))
    assert.match(pem, /^-----BEGIN CERTIFICATE-----/)
  })

  await t.test(
    'whoever is not in the map, has no certificate or one of another CA, is refused',
    async () => {
      assert.equal((await ask(nginx.address, await identity('intruder'))).status, 403)
      const { ca } = await identity('client')
      assert.equal((await ask(nginx.address, { ca })).status, 400)
      const other = await rig.agent({ entries })
      const foreign = createWorkloadClient(
        { kind: 'unix', path: other.socket },
        { clock: systemClock },
      )
      const { svids } = await foreign.fetchX509()
      foreign.close()
      const client = svids.find((svid) => svid.spiffeId.endsWith('/client'))!
      assert.equal((await ask(nginx.address, { ...identityOf(client), ca })).status, 400)
    },
  )

  await t.test('through rotations every request is answered', async () => {
    const serials = new Set<string>()
    const issuers = new Set<string>()
    const load = startLoad(
      async () => {
        const answer = await asClient()
        serials.add(answer.serial)
        issuers.add(answer.issuer)
        return answer
      },
      { loops: 2, pauseMs: 5 },
    )
    const slow = asClient('/slow')
    await eventually('a request is under way', () => app.held.length === 1)
    for (let round = 0; round < 3; round++) {
      const known = serials.size
      await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 20_000 })
      await eventually('nginx shows another certificate', () => serials.size > known)
    }
    app.held[0]!.end('late')
    const { status, body, serial } = await slow
    assert.deepEqual([status, body], [200, 'late'], 'by the worker that had begun it')
    assert.notEqual(serial, (await asClient()).serial)
    // The third: a CA of forty seconds is followed by the next one, which is trusted before it signs.
    await eventually('a certificate of another CA', () => issuers.size > 2, 90_000)
    await load.stop()
    assert.deepEqual(load.failures, [])
    assert(serials.size >= 4 && load.answered > 200, `${serials.size} ${load.answered}`)
    t.diagnostic(`${load.answered} requests, ${serials.size} certificates, ${issuers.size} CAs`)
  })

  await t.test('what has expired is refused', async () => {
    await assert.rejects(
      ask(nginx.address, { ...first, ca: (await identity('client')).ca }).then(({ status }) => {
        if (status === 400) throw new Error('refused')
      }),
    )
  })

  assert.doesNotMatch(server.output() + files.output(), /PRIVATE KEY|\[(?:crit|alert|emerg)\]/)
})
