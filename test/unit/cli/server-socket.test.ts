import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { addServerSocket, settleServerSocket } from '../../../src/cli/server-socket.ts'

type Env = Readonly<Record<string, string>>

function settled(args: readonly string[], env: Env): unknown {
  const command = addServerSocket(new Command()).exitOverride()
  command.parse(args, { from: 'user' })
  settleServerSocket(command, env)
  return command.opts()['serverSocket']
}

const DEFAULT = '/run/spindle-server/admin/server.sock'
const OWN = { SPINDLE_SERVER_SOCKET: '/own' }
const SPIRES = { SPIRE_SERVER_PRIVATE_SOCKET: '/spires' }
const TEMPLATE = { SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE: '/i/%i/%i.sock' }

test("settleServerSocket() takes what is named, then an instance, then the environment, SPIRE's variables last", () => {
  const all = { ...OWN, ...SPIRES, ...TEMPLATE }
  assert.equal(settled(['--server-socket', '/named', '--instance', 'a'], all), '/named')
  assert.equal(settled(['--instance', 'a'], all), '/i/a/a.sock')
  assert.equal(settled([], all), '/own')
  assert.equal(settled([], { ...SPIRES, ...TEMPLATE }), '/spires')
  assert.equal(settled([], TEMPLATE), DEFAULT)
  assert.equal(settled([], { SPINDLE_SERVER_SOCKET: '', SPIRE_SERVER_PRIVATE_SOCKET: '' }), DEFAULT)
  // Named as it is by default, it is named.
  assert.equal(settled(['--server-socket', DEFAULT], OWN), DEFAULT)
})

test("settleServerSocket() takes gRPC's way of writing a path", () => {
  assert.equal(settled(['--server-socket', 'unix:///a/b'], {}), '/a/b')
  assert.equal(settled(['--server-socket', 'unix:a/b'], {}), 'a/b')
})

test('settleServerSocket() says what an instance lacks', () => {
  const fails = (env: Env, message: RegExp): void =>
    assert.throws(() => settled(['--instance', 'a'], env), { code: 'usage', message })
  fails({}, /SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE, which is not set$/)
  fails({ SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE: '/x' }, /which has no %i$/)
  assert.throws(() => settled(['--server-socket', ''], OWN), { code: 'usage' })
})
