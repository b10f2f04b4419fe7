/** A peer without an Envoy: the test process with an X.509-SVID, in mutual TLS with a sidecar's inbound listener. */
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { connect } from 'node:tls'
import { fromBinary } from '@bufbuild/protobuf'
import type { DataSource } from '#envoy/config/core/v3/base_pb.js'
import type { Secret } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SPIFFECertValidatorConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js'
import type { SdsClient } from './sds-client.ts'

export interface PeerIdentity {
  /** PEM: the chain, leaf first. */
  readonly cert: string
  /** PEM. */
  readonly key: string
  /** PEM: what it trusts. */
  readonly ca: string
}

/** What the agent gives the test process under these names. */
export async function fetchIdentity(
  client: SdsClient,
  names: { readonly svid?: string; readonly bundle?: string } = {},
): Promise<PeerIdentity> {
  const { svid = 'default', bundle = 'ROOTCA' } = names
  const secrets = await client.fetch(svid, bundle)
  const named = (name: string): Secret | undefined => secrets.find((secret) => secret.name === name)
  const type = named(svid)?.type
  if (type?.case !== 'tlsCertificate') throw new Error(`${svid} is no certificate`)
  return {
    cert: text(type.value.certificateChain),
    key: text(type.value.privateKey),
    ca: rootsOf(named(bundle)),
  }
}

/** PEM of all that a validation context trusts; '' for anything else. */
export function rootsOf(secret: Secret | undefined): string {
  if (secret?.type.case !== 'validationContext') return ''
  const { customValidatorConfig, trustedCa } = secret.type.value
  const config = customValidatorConfig?.typedConfig
  if (config === undefined) return text(trustedCa)
  const { trustDomains } = fromBinary(SPIFFECertValidatorConfigSchema, config.value)
  return trustDomains.map(({ trustBundle }) => text(trustBundle)).join('')
}

function text(source: DataSource | undefined): string {
  const specifier = source?.specifier
  return specifier?.case === 'inlineBytes' ? Buffer.from(specifier.value).toString('utf8') : ''
}

export interface PeerAnswer {
  readonly status: number
  readonly certificate: PeerCertificate
}

/** One request on a connection of its own. @throws where the handshake or the request is refused. */
export function getAsPeer(port: number, identity: PeerIdentity): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({
      host: '127.0.0.1',
      port,
      ...identity,
      // An SVID names no host; the chain is verified all the same.
      checkServerIdentity: () => undefined,
    })
    let answer = ''
    let certificate: PeerCertificate | undefined
    socket.setTimeout(20_000, () => socket.destroy(new Error('no answer in 20 s')))
    socket.once('secureConnect', () => {
      certificate = socket.getPeerCertificate()
      socket.write('GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n')
    })
    socket.setEncoding('utf8').on('data', (part: string) => (answer += part))
    socket.once('error', reject)
    socket.once('close', () => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]
      if (status === undefined || certificate === undefined)
        reject(new Error('the connection was closed without an answer'))
      else resolve({ status: Number(status), certificate })
    })
  })
}
