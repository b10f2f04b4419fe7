/**
 * `node test/bench/bare.ts SOCKET`: the least server of both APIs that grpc-js allows, with Spindle's own encoding and no more: no
 * attestation, no entries, no state. What it costs beyond the reference is Node's HTTP/2 and grpc-js; what Spindle costs beyond
 * it is Spindle. Speaks on stdin and stdout as `bench reference` does.
 */
import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { ServerDuplexStream, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import * as grpc from '@grpc/grpc-js'
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import { create, toBinary } from '@bufbuild/protobuf'
import type { DiscoveryRequest } from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import { SecretSchema } from '../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SecretDiscoveryService } from '../../src/gen/envoy/service/secret/v3/sds_pb.js'
import type {
  JWTSVIDRequest,
  ValidateJWTSVIDRequest,
} from '../../src/gen/spiffe/workload/workload_pb.js'
import {
  JWTSVIDResponseSchema,
  SpiffeWorkloadAPI,
  ValidateJWTSVIDResponseSchema,
  X509SVIDResponseSchema,
} from '../../src/gen/spiffe/workload/workload_pb.js'
import { createResponseEncoder } from '../../src/agent/serve/responses.ts'
import { createNonces, systemRandom } from '../../src/runtime/random.ts'
import { Encoded, serviceDefinition } from '../../src/wire/service.ts'
import type { Resource } from '../../src/xds/resource.ts'

const SPIFFE_ID = 'spiffe://bench.test/bare'
/** Bytes, about those of an X.509-SVID of P-256 and its key: nobody reads them here. */
const CERTIFICATE = 700
const KEY = 140

const encoder = createResponseEncoder('bare')
const nonce = createNonces(systemRandom)
const dsaEncoding = 'ieee-p1363'
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const kept = token('bench')
let resource = makeResource()
let x509 = makeX509()
const followers = new Set<() => void>()

function encode<D extends DescMessage>(schema: D, content: MessageInitShape<D>): Encoded {
  return new Encoded(Buffer.from(toBinary(schema, create(schema, content))))
}

function makeResource(): Resource {
  const inline = (bytes: number, label: string) => {
    const value = Buffer.from(`${label} ${randomBytes(bytes).toString('base64')}`)
    return { specifier: { case: 'inlineBytes' as const, value } }
  }
  const value = {
    certificateChain: inline(CERTIFICATE, 'chain'),
    privateKey: inline(KEY, 'key'),
  }
  const secret = create(SecretSchema, { name: 'default', type: { case: 'tlsCertificate', value } })
  const version = randomBytes(32).toString('hex')
  return { name: 'default', version, bytes: toBinary(SecretSchema, secret), kind: 'svid' }
}

function makeX509(): Encoded {
  const [x509Svid, x509SvidKey] = [randomBytes(CERTIFICATE), randomBytes(KEY)]
  const svid = { spiffeId: SPIFFE_ID, x509Svid, x509SvidKey, bundle: x509Svid }
  return encode(X509SVIDResponseSchema, { svids: [svid] })
}

function token(audience: string): string {
  const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url')
  const iat = Math.floor(Date.now() / 1000)
  const claims = { sub: SPIFFE_ID, aud: [audience], exp: iat + 300, iat }
  const signed = `${part({ alg: 'ES256', kid: 'bare', typ: 'JWT' })}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding })
  return `${signed}.${signature.toString('base64url')}`
}

function isValid(svid: string): boolean {
  const end = svid.lastIndexOf('.')
  const signature = Buffer.from(svid.slice(end + 1), 'base64url')
  const key = { key: publicKey, dsaEncoding } as const
  return verify('sha256', Buffer.from(svid.slice(0, end)), key, signature)
}

const answer = (): Encoded =>
  new Encoded(encoder.sotw({ nonce: nonce(), version: resource.version, resources: [resource] }))

function follow(call: Pick<EventEmitter, 'on'>, push: () => void): void {
  followers.add(push)
  push()
  for (const end of ['cancelled', 'error', 'close'] as const)
    call.on(end, () => followers.delete(push))
}

const server = new grpc.Server({ 'grpc.max_concurrent_streams': 100_000 })
server.addService(serviceDefinition(SecretDiscoveryService), {
  StreamSecrets(call: ServerDuplexStream<DiscoveryRequest, Encoded>) {
    let asked = false
    call.on('data', () => {
      if (!asked) follow(call, () => call.write(answer()))
      asked = true
    })
    call.on('end', () => call.end())
  },
  FetchSecrets: (_call: ServerUnaryCall<DiscoveryRequest, Encoded>, done: sendUnaryData<Encoded>) =>
    done(null, answer()),
})
server.addService(serviceDefinition(SpiffeWorkloadAPI), {
  FetchX509SVID: (call: grpc.ServerWritableStream<unknown, Encoded>) =>
    follow(call, () => call.write(x509)),
  FetchJWTSVID(call: ServerUnaryCall<JWTSVIDRequest, Encoded>, done: sendUnaryData<Encoded>) {
    const [audience = ''] = call.request.audience
    const svid = audience === 'bench' ? kept : token(audience)
    done(null, encode(JWTSVIDResponseSchema, { svids: [{ spiffeId: SPIFFE_ID, svid }] }))
  },
  ValidateJWTSVID(
    call: ServerUnaryCall<ValidateJWTSVIDRequest, Encoded>,
    done: sendUnaryData<Encoded>,
  ) {
    if (!isValid(call.request.svid)) return done({ code: grpc.status.INVALID_ARGUMENT })
    done(null, encode(ValidateJWTSVIDResponseSchema, { spiffeId: SPIFFE_ID }))
  },
})
// Listened on as Spindle does: a thousand clients that come in one moment find a place.
const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
createServer((socket) => injector.injectConnection(socket)).listen(
  { path: process.argv[2], backlog: 4096 },
  () => process.stdout.write('{"ready":true}\n'),
)
createInterface({ input: process.stdin })
  .on('line', () => {
    resource = makeResource()
    x509 = makeX509()
    for (const push of followers) push()
    process.stdout.write('{"renewed":true}\n')
  })
  .on('close', () => process.exit())
