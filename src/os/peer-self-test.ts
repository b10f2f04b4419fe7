import { randomUUID } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import type { PeerHandle, PeerReader, PeerReading } from './peer-credentials.ts'

/**
 * Connects to an own socket, in the abstract namespace so that nothing need be writable, and expects to find this
 * process at the other end.
 * @returns how peers are held on to on this kernel
 * @throws SpindleError `peer_credentials_unsupported`: the agent must not serve
 */
export async function selfTest(reader: PeerReader): Promise<PeerHandle> {
  const path = `\0spindle-self-test-${randomUUID()}`
  const server = createServer()
  try {
    const reading = await new Promise<PeerReading>((resolve, reject) => {
      server.once('error', reject)
      server.once('connection', (socket) => {
        try {
          resolve(reader.read(socket))
        } catch (thrown) {
          reject(thrown)
        } finally {
          socket.destroy()
        }
      })
      server.listen(path, () => {
        const client = connect(path)
        client.on('error', reject)
        client.resume()
      })
    })
    return judge(reading, reader)
  } catch (thrown) {
    if (thrown instanceof SpindleError) throw thrown
    throw unsupported(messageOf(thrown), thrown)
  } finally {
    server.close()
  }
}

function judge(reading: PeerReading, reader: PeerReader): PeerHandle {
  if ('fault' in reading) throw unsupported(`${reading.fault}: ${reading.detail}`)
  const { peer, handle } = reading
  reader.release(peer)
  if (peer.pid === process.pid && peer.uid === process.geteuid?.()) return handle
  throw unsupported(`process ${process.pid} was taken for ${peer.pid} of uid ${peer.uid}`)
}

function unsupported(why: string, cause?: unknown): SpindleError {
  return new SpindleError(
    'peer_credentials_unsupported',
    `the self-test of the peer credentials failed: ${why}`,
    { cause },
  )
}
