import { SpindleError } from '../runtime/errors.ts'
import { jwtSvidPayload, type JwtSvidContent } from '../spiffe/jwt-svid.ts'
import { jose } from './jose.ts'
import type { JwtSigningKey } from './keys.ts'

/**
 * Signs a JWT-SVID, compact (JI-1), its header `alg`, `kid` and `typ` alone (JI-3), and verifies its own signature.
 * @throws SpindleError `request_invalid` for what may not be issued.
 */
export async function signJwtSvid(key: JwtSigningKey, content: JwtSvidContent): Promise<string> {
  const payload = Buffer.from(jwtSvidPayload(content))
  const { CompactSign, compactVerify } = await jose()
  const token = await new CompactSign(payload)
    .setProtectedHeader({ alg: key.algorithm, kid: key.keyId, typ: 'JWT' })
    .sign(key.key.privateKey)
  try {
    await compactVerify(token, key.publicKey, { algorithms: [key.algorithm] })
  } catch (cause) {
    const fault = 'a signature just made does not verify; nothing was issued'
    throw new SpindleError('internal', fault, { cause })
  }
  return token
}
