import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { create } from '@bufbuild/protobuf'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import {
  AdminService,
  GetStatusResponseSchema,
} from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import { run } from '../../../src/cli/program.ts'
import { serviceDefinition } from '../../../src/wire/service.ts'
import { temporaryFolder, writeIn } from '../../fakes/folder.ts'

/** Runs a command line and takes what it prints. */
async function spindle(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  let out = ''
  let err = ''
  const code = await run(args, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    env,
    onSignal: () => () => undefined,
  })
  return { code, out, err }
}

test('run() prints help and version to standard output and ends with 0', async () => {
  const help = await spindle(['--help'])
  assert.deepEqual([help.code, help.err], [0, ''])
  for (const command of ['agent', 'validate', 'demo', 'status', 'sds', 'ca', 'bundle', 'svid'])
    assert.match(help.out, new RegExp(`^ +${command}\\b`, 'm'))
  const version = await spindle(['--version'])
  assert.equal(version.code, 0)
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/)
  assert.equal((await spindle(['sds', 'list', '--help'])).code, 0)
})

test('run() ends a misused command line with 2, and says how it is used', async () => {
  const misused: readonly (readonly string[])[] = [
    [],
    ['nothing'],
    ['status', '--nothing'],
    ['status', 'surplus'],
    ['status', '-o', 'xml'],
    ['sds'],
    ['sds', 'explain'],
    ...['0', '-1', '1.5', 'x', ''].map((pid) => ['sds', 'explain', '--pid', pid]),
  ]
  for (const args of misused) {
    const { code, out, err } = await spindle(args)
    assert.deepEqual([code, out], [2, ''], args.join(' '))
    assert.match(err, /--help|Usage:/, args.join(' '))
  }
})

test('run() ends with 3 where no agent answers, naming the socket and what to do', async (t) => {
  const socket = join(temporaryFolder(t), 'none.sock')
  for (const args of [
    ['status', '--admin-socket', socket],
    ['sds', 'list', '--admin-socket', socket],
    ['sds', 'fetch', '--socket', socket],
  ]) {
    const { code, out, err } = await spindle(args)
    assert.deepEqual([code, out], [3, ''])
    assert(err.startsWith(`spindle: ${socket} does not answer`), err)
    assert.match(err, /Start the agent.*\(unreachable\)\n$/)
  }
})

test('run() ends with 2 where a file is at fault, with every fault of it', async (t) => {
  const file = writeIn(temporaryFolder(t), 'agent.yaml', 'trustDomain: UPPER\nsocket: 7\n')
  for (const command of ['agent', 'validate']) {
    const { code, out, err } = await spindle([command, '-c', file])
    assert.deepEqual([code, out], [2, ''])
    for (const path of ['trustDomain', 'socket', 'entries']) assert.match(err, new RegExp(path))
    assert.match(err, /\(config_invalid\)\n$/)
  }
})

test('status prints what it is told and ends with 3 where the agent is not ready, with 0 where it is', async (t) => {
  const socket = join(temporaryFolder(t), 'admin.sock')
  const server = new Server()
  let ready = false
  const problems = ['authority: no CA certificate is active']
  type Done = (error: null, answer: object) => void
  server.addService(serviceDefinition(AdminService), {
    GetStatus: (_: unknown, done: Done) =>
      done(null, create(GetStatusResponseSchema, { ready, problems })),
  })
  await promisify(server.bindAsync.bind(server))(
    `unix:${socket}`,
    ServerCredentials.createInsecure(),
  )
  t.after(() => server.forceShutdown())
  const notReady = await spindle(['status', '--admin-socket', socket])
  assert.deepEqual([notReady.code, notReady.err], [3, ''])
  assert.match(notReady.out, /^ready +no\n/)
  assert.match(notReady.out, /^problem: authority: no CA/m)
  ready = true
  assert.equal((await spindle(['status', '--admin-socket', socket, '-o', 'json'])).code, 0)
})
