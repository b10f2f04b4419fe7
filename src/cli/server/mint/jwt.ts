import { basename, dirname } from 'node:path'
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import type { Io } from '../../io.ts'
import { writeInto } from '../../workload/write.ts'
import { rendered, withServer } from '../ask.ts'
import { idMessage } from '../entry/filter.ts'
import type { MintOptions } from '../given.ts'
import { sayWhenCapped } from './capped.ts'

export async function mintJwt(
  io: Io,
  options: MintOptions & { readonly audience: readonly string[] },
): Promise<void> {
  const { spiffeId, audience, ttl, write, output } = options
  const method = SVID.method.mintJWTSVID
  const request = { id: idMessage(spiffeId), audience: [...audience], ttl }
  const value = await withServer(options, (server) => server.call(method, request))
  const { token = '', expiresAt = 0n } = value.svid ?? {}
  sayWhenCapped(io, { what: 'JWT-SVID', ttl, expiresAt })
  if (write === undefined) {
    io.out(rendered(output, { schema: method.output, value }, () => `${token}\n`))
    return
  }
  writeInto(dirname(write), [{ name: basename(write), content: token, isSecret: true }])
  io.out(`JWT-SVID written to ${write}\n`)
}
