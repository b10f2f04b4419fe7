import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import {
  createAcceptor,
  defaultConnectionsPerUid,
  mostConnections,
} from '../../../../src/agent/accept/acceptor.ts'
import type { Acceptor, AcceptorOptions, Claim } from '../../../../src/agent/accept/acceptor.ts'
import type { Connection, Peer } from '../../../../src/agent/accept/connection.ts'
import type { PeerHandle, PeerReader, PeerReading } from '../../../../src/os/peer-credentials.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import type { ManualClock } from '../../../fakes/clock.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'

/** Peers by script: the n-th connection is of the n-th reading; who ended and what was released is recorded. */
class ScriptedPeers implements PeerReader {
  readonly readings: PeerReading[] = []
  readonly dead = new Set<Peer>()
  readonly released: Peer[] = []
  readonly sockets: Socket[] = []

  read(socket: Socket): PeerReading {
    assert.equal(socket.bytesRead, 0)
    this.sockets.push(socket)
    return this.readings.shift() ?? { fault: 'credentials_unreadable', detail: 'no more readings' }
  }
  alive(peer: Peer): boolean {
    assert(!this.released.includes(peer), 'asked after its pidfd was closed')
    return !this.dead.has(peer)
  }
  ended<P extends Peer>(peers: readonly P[]): P[] {
    return peers.filter((peer) => !this.alive(peer))
  }
  effectiveIds(): undefined {
    return undefined
  }
  release(peer: Peer): void {
    assert(!this.released.includes(peer), 'closed twice')
    this.released.push(peer)
  }
}

interface Setup {
  readonly acceptor: Acceptor
  readonly clock: ManualClock
  readonly events: string[]
  readonly accepted: { connection: Connection; socket: Socket; claim: Claim }[]
  /** Connects; resolves once the server has dealt with it. */
  readonly dial: () => Promise<Socket>
}

async function setUp(t: TestContext, peers: PeerReader, more?: Partial<AcceptorOptions>) {
  const path = join(temporaryFolder(t), 'socket')
  const server = createServer()
  const clock = createManualClock()
  const events: string[] = []
  const accepted: Setup['accepted'] = []
  const acceptor = createAcceptor({
    listener: { accept: (take) => void server.on('connection', take) },
    peers,
    clock,
    limits: { connectionsPerUid: 2, connections: 4 },
    onConnection: (connection, socket, claim) => accepted.push({ connection, socket, claim }),
    refused: ({ reason }) => events.push(`refused ${reason}`),
    closed: ({ id }, reason) => events.push(`closed ${id}: ${reason ?? 'by the peer'}`),
    weaklyHeld: ({ id }, handle) => events.push(`${id} held by ${handle}`),
    ...more,
  })
  server.listen(path)
  await once(server, 'listening')
  t.after(() => {
    acceptor.close()
    server.close()
  })
  const dial = async (): Promise<Socket> => {
    const taken = once(server, 'connection')
    const client = connect(path)
    client.on('error', () => undefined).resume()
    t.after(() => client.destroy())
    await taken
    return client
  }
  return { acceptor, clock, events, accepted, dial } satisfies Setup
}

const peer = (pid: number, uid = 1001): Peer => ({ pid, uid, gid: uid, pidfd: -1, startTime: '1' })
const reading = (of: Peer, handle: PeerHandle = 'peer-pidfd'): PeerReading => ({ peer: of, handle })

test('an accepted connection carries its peer, and its id as the socket’s remoteAddress', async (t) => {
  const peers = new ScriptedPeers()
  peers.readings.push(reading(peer(1)), reading(peer(2), 'start-time'))
  const { accepted, dial, acceptor, events, clock } = await setUp(t, peers)
  await dial()
  await dial()
  const [first, second] = accepted
  assert.equal(first?.connection.peer.pid, 1)
  assert.equal(first?.connection.since, clock.now())
  assert.equal(first?.socket.remoteAddress, first?.connection.id)
  assert.notEqual(first?.connection.id, second?.connection.id)
  assert.deepEqual([...acceptor.connections.keys()], [first?.connection.id, second?.connection.id])
  assert.deepEqual(events, [`${second?.connection.id} held by start-time`])
})

test('a peer that cannot be believed is refused before anything reads its socket', async (t) => {
  const peers = new ScriptedPeers()
  peers.readings.push({ fault: 'peer_ended', detail: '' }, { fault: 'pid_not_visible', detail: '' })
  const { accepted, dial, events, acceptor } = await setUp(t, peers)
  for (let count = 0; count < 2; count++) {
    const client = await dial()
    if (!client.destroyed) await once(client, 'close')
  }
  assert.deepEqual(events, ['refused peer_ended', 'refused pid_not_visible'])
  assert.deepEqual([accepted.length, acceptor.connections.size], [0, 0])
  assert(peers.sockets.every((socket) => socket.destroyed && socket.bytesRead === 0))
})

test('a uid over its limit is refused alone, and may come again when one of its connections closed', async (t) => {
  const peers = new ScriptedPeers()
  const third = peer(3)
  peers.readings.push(
    reading(peer(1)),
    reading(peer(2)),
    reading(third),
    reading(peer(4, 1002)),
    reading(peer(5)),
  )
  const { accepted, dial, events } = await setUp(t, peers)
  const first = await dial()
  const second = await dial()
  await dial()
  assert.deepEqual(events, ['refused uid_limit'])
  assert.deepEqual(peers.released, [third])
  await dial()
  assert.equal(accepted[2]?.connection.peer.uid, 1002)
  const closed = [0, 1].map(
    (index) => new Promise<void>((resolve) => accepted[index]?.connection.onClose(resolve)),
  )
  first.destroy()
  second.destroy()
  await Promise.all(closed)
  await dial()
  assert.equal(accepted[3]?.connection.peer.pid, 5)
})

test('connections beyond the limit of all are refused, whoever makes them, before their peer takes a descriptor', async (t) => {
  const peers = new ScriptedPeers()
  for (let pid = 1; pid <= 6; pid++) peers.readings.push(reading(peer(pid, 1000 + pid)))
  const { accepted, dial, events } = await setUp(t, peers)
  const clients: Socket[] = []
  for (let count = 0; count < 5; count++) clients.push(await dial())
  assert.deepEqual(events, ['refused connection_limit'])
  assert.deepEqual([accepted.length, peers.sockets.length], [4, 4])
  const closed = new Promise<void>((resolve) => accepted[0]?.connection.onClose(resolve))
  clients[0]?.destroy()
  await closed
  await dial()
  assert.equal(accepted.length, 5)
})

test('a connection that claims descriptors for another counts as two of its uid and of all, until it closes', async (t) => {
  const peers = new ScriptedPeers()
  for (let pid = 1; pid <= 8; pid++) peers.readings.push(reading(peer(pid, pid < 4 ? 1001 : pid)))
  const { accepted, dial, events } = await setUp(t, peers)
  const first = await dial()
  assert.equal(accepted[0]?.claim(), true)
  await dial()
  assert.deepEqual(events, ['refused uid_limit'])
  const closed = new Promise<void>((resolve) => accepted[0]?.connection.onClose(resolve))
  first.destroy()
  await closed
  assert.equal(accepted[0]?.claim(), false, 'of one that has closed nothing is counted')
  // Two of uid 1001, and of others as many as make three of four.
  await dial()
  await dial()
  assert.equal(accepted[1]?.claim(), true)
  await dial()
  await dial()
  assert.deepEqual(events.slice(2), ['refused connection_limit'])
  assert.equal(accepted.length, 4)
  const ended = new Promise<void>((resolve) => accepted[2]?.connection.onClose(resolve))
  assert.equal(accepted[2]?.claim(), false, 'there is no room for another')
  assert.equal(events[3], 'refused connection_limit')
  await ended
  assert.equal(accepted[3]?.claim(), true)
})

test('the pidfd is closed when the socket closes, once and not before', async (t) => {
  const peers = new ScriptedPeers()
  const own = peer(1)
  peers.readings.push(reading(own))
  const { accepted, dial, events, acceptor } = await setUp(t, peers)
  const client = await dial()
  const connection = accepted[0]?.connection
  assert(connection)
  assert.equal(connection.alive(), true)
  peers.dead.add(own)
  assert.equal(connection.alive(), false)
  assert.deepEqual(peers.released, [])
  const closed = new Promise<void>((resolve) => connection.onClose(resolve))
  client.destroy()
  await closed
  assert.deepEqual(peers.released, [own])
  assert.equal(connection.closed, true)
  assert.equal(connection.alive(), false)
  assert.equal(acceptor.connections.size, 0)
  assert.deepEqual(events, [`closed ${connection.id}: by the peer`])
  let late = false
  connection.onClose(() => (late = true))
  assert(late)
})

test('a peer that ended while another process holds its socket is swept within a second, and no other', async (t) => {
  const peers = new ScriptedPeers()
  const [dead, living] = [peer(1), peer(2)]
  peers.readings.push(reading(dead), reading(living))
  const { accepted, dial, events, clock, acceptor } = await setUp(t, peers)
  const client = await dial()
  await dial()
  await clock.advance(5_000)
  assert.equal(acceptor.connections.size, 2)
  peers.dead.add(dead)
  await clock.advance(1_000)
  if (!client.destroyed) await once(client, 'close')
  const [first, second] = accepted
  assert.equal(first?.connection.closed, true)
  assert.equal(second?.connection.closed, false)
  assert.deepEqual(events, [`closed ${first?.connection.id}: the calling process has ended`])
})

test('destroy ends the HTTP/2 session that took the socket over', async (t) => {
  const peers = new ScriptedPeers()
  peers.readings.push(reading(peer(1)))
  const server = http2.createServer()
  const { accepted, dial } = await setUp(t, peers, {
    onConnection: (connection, socket, claim) => {
      accepted.push({ connection, socket, claim })
      server.emit('connection', socket)
    },
  })
  const session = once(server, 'session') as Promise<[http2.Http2Session]>
  const client = await dial()
  const [taken] = await session
  client.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  accepted[0]?.connection.destroy('test')
  await once(taken, 'close')
  if (!client.destroyed) await once(client, 'close')
  assert.equal(peers.released.length, 1)
})

test('after stop new connections are refused and open ones stay; close destroys them', async (t) => {
  const peers = new ScriptedPeers()
  peers.readings.push(reading(peer(1)), reading(peer(2)))
  const { accepted, dial, acceptor, events, clock } = await setUp(t, peers)
  const client = await dial()
  acceptor.stop()
  await dial()
  assert.deepEqual(events, ['refused closing'])
  assert.equal(accepted[0]?.connection.closed, false)
  acceptor.close()
  if (!client.destroyed) await once(client, 'close')
  assert.equal(accepted[0]?.connection.closed, true)
  assert.equal(clock.pending, 0)
})

test('defaultConnectionsPerUid leaves half of the descriptors to the others, two a connection', () => {
  assert.equal(defaultConnectionsPerUid(20_000), 5_000)
  assert.equal(defaultConnectionsPerUid(2), 1)
})

test('mostConnections leaves the agent descriptors of its own, under a low limit three quarters of them', () => {
  assert.equal(mostConnections(20_256), 10_000)
  assert.equal(mostConnections(128), 16)
  assert.equal(mostConnections(1), 1)
})
