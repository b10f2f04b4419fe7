/** A caller that shows no certificate: how it is turned away. */
import { connect } from 'node:tls'
import type { Deadline } from '../wait.ts'
import { within } from '../wait.ts'

/**
 * Calls a TLS listener on loopback without a certificate.
 * @returns the TLS alert it is sent, such as `certificate_required`
 * @throws Error when it is answered, or closed without an alert
 */
export async function alertWithoutCertificate(port: number, deadline: Deadline): Promise<string> {
  // Whom it talks to does not matter here, only whether it is let in.
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  const outcome = new Promise<string>((resolve, reject) => {
    // In TLS 1.3 the server says what it wants only after the client's side of the handshake.
    socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: api\r\n\r\n'))
    socket.once('data', () => reject(new Error('it was answered')))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const alert = /^ERR_SSL_(?:\w+_ALERT_)?(\w+)$/.exec(error.code ?? '')?.[1]
      if (alert === undefined) reject(error)
      else resolve(alert.toLowerCase())
    })
    socket.once('close', () => reject(new Error('it was closed without an alert')))
  })
  try {
    return await within('an alert', outcome, deadline)
  } finally {
    socket.destroy()
  }
}
