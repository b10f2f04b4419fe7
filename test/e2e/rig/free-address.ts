/** For servers that cannot be asked to choose a port and say which. */
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'

export interface FreeAddress {
  /** Of the loopback, and hardly anybody else's: so the port stays free until the server takes it. */
  readonly host: string
  readonly port: number
}

export async function freeAddress(): Promise<FreeAddress> {
  const host = `127.${(process.pid >> 8) & 255}.${process.pid & 255}.77`
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return { host, port }
}
