import { createPublicKey } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  BatchDeleteFederatedBundleRequest_Mode as Mode,
  Bundle as BundleService,
} from '#spire/api/server/bundle/v1/bundle_pb.js'
import type { BundleSchema } from '#spire/api/types/bundle_pb.js'
import type { Status } from '#spire/api/types/status_pb.js'
import { readTrustAnchorsPem } from '../../../certs/parse.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { Bundle } from '../../../spiffe/bundle.ts'
import { parseBundle } from '../../../spiffe/bundle.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { naming, readTrustDomain } from '../../../wire/spire/spiffe-id.ts'
import type { Io } from '../../io.ts'
import { CommandFailed } from '../../io.ts'
import { readGiven } from '../../read-file.ts'
import { rendered, withServer } from '../ask.ts'
import type { BundleFormat, DeleteMode, FormatOptions } from '../given.ts'
import type { ServerOptions } from '../options.ts'

export async function setBundle(
  io: Io,
  options: FormatOptions & { readonly id: string; readonly path?: string },
): Promise<void> {
  const { path, format } = options
  const trustDomain = naming('--id', () => readTrustDomain(options.id))
  const given = await readGiven(io, path)
  const { place } = given
  const { bundle, notes } = readBundle(trustDomain, { ...given, format })
  for (const note of notes) io.err(`${place}: ${note}\n`)
  const method = BundleService.method.batchSetFederatedBundle
  const value = await withServer(options, (server) => server.call(method, { bundle: [bundle] }))
  const failure = failureOf(value.results)
  const message = { schema: method.output, value }
  io.out(rendered(options.output, message, () => (failure === undefined ? 'bundle set.\n' : '')))
  if (failure !== undefined)
    throw new CommandFailed(1, `Error: failed to set federated bundle: ${failure}`)
}

function readBundle(
  trustDomain: TrustDomain,
  given: { readonly text: string; readonly format: BundleFormat; readonly place: string },
): { readonly bundle: MessageInitShape<typeof BundleSchema>; readonly notes: readonly string[] } {
  const { text, format, place } = given
  if (format === 'pem') {
    const { anchors, warnings } = readTrustAnchorsPem(withoutText(text), place)
    const x509Authorities = anchors.map(({ der }) => ({ asn1: der }))
    return { bundle: { trustDomain, x509Authorities }, notes: warnings }
  }
  const { bundle, ignored } = parseBundle(trustDomain, text)
  return { bundle: bundleMessage(trustDomain, bundle), notes: ignored }
}

/** What stands between the blocks of a PEM file, as OpenSSL and curators of CAs put it there, is for people. */
function withoutText(pem: string): string {
  let isInside = false
  return pem.replaceAll(/^.*$/gm, (line) => {
    const isEdge = /^-----(?:BEGIN|END) /.test(line)
    if (isEdge) isInside = line.startsWith('-----BEGIN ')
    return isEdge || isInside ? line : ''
  })
}

function bundleMessage(
  trustDomain: TrustDomain,
  bundle: Bundle,
): MessageInitShape<typeof BundleSchema> {
  return {
    trustDomain,
    x509Authorities: bundle.x509Authorities.map((asn1) => ({ asn1: Buffer.from(asn1) })),
    jwtAuthorities: bundle.jwtAuthorities.map((jwk) => ({
      keyId: String(jwk['kid']),
      publicKey: createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }).export({
        type: 'spki',
        format: 'der',
      }),
    })),
    refreshHint: BigInt(bundle.refreshHintSeconds ?? 0),
    sequenceNumber: bundle.sequence ?? 0n,
  }
}

const MODES: Readonly<Record<DeleteMode, Mode>> = {
  restrict: Mode.RESTRICT,
  dissociate: Mode.DISSOCIATE,
  delete: Mode.DELETE,
}

export async function deleteBundle(
  io: Io,
  options: ServerOptions & { readonly id: string; readonly mode: DeleteMode },
): Promise<void> {
  const trustDomain = naming('--id', () => readTrustDomain(options.id))
  const method = BundleService.method.batchDeleteFederatedBundle
  const request = { trustDomains: [trustDomain], mode: MODES[options.mode] }
  const value = await withServer(options, (server) => server.call(method, request))
  const failure = failureOf(value.results)
  const message = { schema: method.output, value }
  const text = (): string => (failure === undefined ? 'bundle deleted.\n' : '')
  io.out(rendered(options.output, message, text))
  if (failure !== undefined)
    throw new CommandFailed(
      1,
      `Error: failed to delete federated bundle "${trustDomain}": ${failure}`,
    )
}

/** Of the one that was asked for. */
function failureOf([result]: readonly { readonly status?: Status | undefined }[]):
  string | undefined {
  return result?.status?.code === status.OK ? undefined : (result?.status?.message ?? 'no result')
}
