import { createPublicKey } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import {
  Bundle as BundleService,
  ListFederatedBundlesResponseSchema,
} from '#spire/api/server/bundle/v1/bundle_pb.js'
import type { Bundle } from '#spire/api/types/bundle_pb.js'
import { toPem } from '../../../certs/parse.ts'
import { serializeBundle } from '../../../spiffe/bundle.ts'
import { naming, readTrustDomain } from '../../../wire/spire/spiffe-id.ts'
import type { Io } from '../../io.ts'
import { allPages, askServer, rendered, withServer } from '../ask.ts'
import type { BundleFormat, FormatOptions } from '../given.ts'
import type { ServerOptions } from '../options.ts'
import { counted } from '../text.ts'

const PAGE = 100
const RULE = '*'.repeat(40)

export function showBundle(io: Io, options: FormatOptions): Promise<void> {
  return askServer(io, options, {
    method: BundleService.method.getBundle,
    request: {},
    text: (bundle) => bundleText(bundle, options.format),
  })
}

export async function listBundles(
  io: Io,
  options: FormatOptions & { readonly id?: string },
): Promise<void> {
  const { id, format, output } = options
  if (id !== undefined)
    return await askServer(io, options, {
      method: BundleService.method.getFederatedBundle,
      request: { trustDomain: naming('--id', () => readTrustDomain(id)) },
      text: (bundle) => bundleText(bundle, format),
    })
  const bundles = await withServer(options, (server) =>
    allPages(async (pageToken) => {
      const request = { pageSize: PAGE, pageToken }
      const answer = await server.call(BundleService.method.listFederatedBundles, request)
      return { items: answer.bundles, next: answer.nextPageToken }
    }),
  )
  const schema = ListFederatedBundlesResponseSchema
  const text = (): string =>
    bundles
      .map((bundle) => `${RULE}\n* ${bundle.trustDomain}\n${RULE}\n${bundleText(bundle, format)}`)
      .join('\n')
  io.out(rendered(output, { schema, value: create(schema, { bundles }) }, text))
}

export function countBundles(io: Io, options: ServerOptions): Promise<void> {
  return askServer(io, options, {
    method: BundleService.method.countBundles,
    request: {},
    text: ({ count }) => `${counted(count, 'bundle')}\n`,
  })
}

function bundleText(bundle: Bundle, format: BundleFormat): string {
  return format === 'pem' ? pemText(bundle) : documentText(bundle)
}

const pemText = ({ x509Authorities }: Bundle): string =>
  x509Authorities.map(({ asn1 }) => toPem(asn1, 'CERTIFICATE')).join('')

/** A SPIFFE bundle document. What is tainted is in it, as it is trusted until it is revoked. */
function documentText(bundle: Bundle): string {
  const { refreshHint, sequenceNumber } = bundle
  return serializeBundle({
    trustDomain: naming('trust_domain', () => readTrustDomain(bundle.trustDomain)),
    x509Authorities: bundle.x509Authorities.map(({ asn1 }) => asn1),
    jwtAuthorities: bundle.jwtAuthorities.map(({ publicKey, keyId }) => ({
      ...createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }).export({
        format: 'jwk',
      }),
      use: 'jwt-svid',
      kid: keyId,
    })),
    sequence: sequenceNumber,
    ...(refreshHint > 0n && { refreshHintSeconds: Number(refreshHint) }),
  })
}
