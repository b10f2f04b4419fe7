/** Another trust domain that issues JWT-SVIDs: a key of the test's own, and tokens it signs, without any code of src. */
import { generateKeyPairSync, sign } from 'node:crypto'

export interface ForeignIssuer {
  /** A SPIFFE bundle document with its key, and no X.509 authority. */
  readonly bundle: string
  /** The public half of its key. */
  readonly jwk: Readonly<Record<string, unknown>>
  /** A JWT-SVID for `path` (`/billing`), valid for an hour. */
  issue(path: string, audience: string): string
  /** Whatever it is asked to sign, valid for an hour too unless `claims` says otherwise. */
  sign(header: object, claims: object): string
}

const HOUR_S = 3_600

export function createForeignIssuer(trustDomain: string): ForeignIssuer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const kid = `${trustDomain}-1`
  const jwk = { ...publicKey.export({ format: 'jwk' }), use: 'jwt-svid', kid }
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const issueAny = (header: object, claims: object): string => {
    const exp = Math.floor(Date.now() / 1000) + HOUR_S
    const signed = `${part({ alg: 'ES384', kid, ...header })}.${part({ exp, ...claims })}`
    const how = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
    return `${signed}.${sign('sha384', Buffer.from(signed), how).toString('base64url')}`
  }
  return {
    bundle: JSON.stringify({ keys: [jwk] }),
    jwk,
    issue: (path, audience) =>
      issueAny({ typ: 'JWT' }, { sub: `spiffe://${trustDomain}${path}`, aud: audience }),
    sign: issueAny,
  }
}
