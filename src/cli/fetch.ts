/** `spindle sds fetch`: FetchSecrets over the agent's socket, as the user who runs it. */
import { join } from 'node:path'
import { create, fromBinary } from '@bufbuild/protobuf'
import type { Secret } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SPIFFECertValidatorConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js'
import type { DataSource } from '#envoy/config/core/v3/base_pb.js'
import { DiscoveryRequestSchema } from '#envoy/service/discovery/v3/discovery_pb.js'
import { SecretDiscoveryService } from '#envoy/service/secret/v3/sds_pb.js'
import { parseCertificate, readCertificatesPem } from '../certs/parse.ts'
import { atomicWrite } from '../os/files.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { shownText } from '../runtime/shown-text.ts'
import { SECURITY_HEADER } from '../spiffe/endpoint.ts'
import { createRpcClient } from '../wire/client.ts'
import { SECRET_TYPE_URL } from '../xds/resource.ts'
import { isWildcard } from '../xds/subscription.ts'
import type { Format, Io } from './io.ts'
import { CommandFailed } from './io.ts'
import { CALL_DEADLINE_MS } from './options.ts'
import { renderPlain, table } from './output.ts'

interface Fetched {
  readonly name: string
  readonly kind: 'svid' | 'bundle'
  readonly certificates: readonly {
    readonly subject: string
    readonly uris: readonly string[]
    readonly notAfter: string
  }[]
  /** PEM by the ending of the file it is written to. Secret. */
  readonly files: Readonly<Record<string, string>>
}

export async function fetchSecrets(
  io: Io,
  names: readonly string[],
  options: { readonly socket: string; readonly output: Format; readonly write?: string },
): Promise<void> {
  const client = createRpcClient(
    { kind: 'unix', path: options.socket },
    { headers: SECURITY_HEADER },
  )
  let secrets: Fetched[]
  try {
    const request = create(DiscoveryRequestSchema, {
      resourceNames: [...names],
      typeUrl: SECRET_TYPE_URL,
      node: { id: 'spindle-sds-fetch', userAgentName: 'spindle' },
    })
    const answer = await client.call(SecretDiscoveryService.method.fetchSecrets, request, {
      deadlineMs: CALL_DEADLINE_MS,
    })
    secrets = answer.resources.map((resource) =>
      readSecret(fromBinary(SecretSchema, resource.value)),
    )
  } finally {
    client.close()
  }
  if (options.write !== undefined) await writeFiles(options.write, secrets)
  const shown = secrets.map(({ name, kind, certificates }) => ({ name, kind, certificates }))
  if (options.output !== 'table') io.out(renderPlain(options.output, { secrets: shown }))
  else
    io.out(
      table(
        ['NAME', 'KIND', 'URI', 'NOT AFTER', 'SUBJECT'],
        shown.flatMap((secret) =>
          secret.certificates.map((c) => [
            secret.name,
            secret.kind,
            c.uris.join(' '),
            c.notAfter,
            c.subject,
          ]),
        ),
      ),
    )
  const missing = names.filter((name) => !secrets.some((secret) => secret.name === name))
  if (missing.length > 0 && !names.some(isWildcard))
    throw new CommandFailed(1, `spindle: not given: ${missing.map(shownName).join(', ')}`)
}

const shownName = (name: string): string => shownText(name, 256)

/** @throws SpindleError `usage` where the folder cannot be written to */
async function writeFiles(folder: string, secrets: readonly Fetched[]): Promise<void> {
  try {
    for (const secret of secrets)
      for (const [ending, pem] of Object.entries(secret.files))
        await atomicWrite(
          join(folder, fileName(secret.name) + ending),
          pem,
          ending.includes('key') ? 0o600 : 0o644,
        )
  } catch (thrown) {
    const why = String((thrown as NodeJS.ErrnoException).code ?? messageOf(thrown))
    throw new SpindleError('usage', `--write ${folder}: cannot be written to (${why})`, {
      cause: thrown,
    })
  }
}

/** A resource name as a file name: `spiffe://example.org/web` is `example.org_web`. */
function fileName(name: string): string {
  return name.replace(/^spiffe:\/\//, '').replace(/[^A-Za-z0-9._-]/g, '_')
}

function text(source: DataSource | undefined): string {
  return source?.specifier.case === 'inlineBytes'
    ? Buffer.from(source.specifier.value).toString('utf8')
    : ''
}

function readSecret(secret: Secret): Fetched {
  const { name } = secret
  if (secret.type.case === 'tlsCertificate') {
    const chain = text(secret.type.value.certificateChain)
    return {
      name,
      kind: 'svid',
      certificates: describe(chain, name),
      files: { '.pem': chain, '.key': text(secret.type.value.privateKey) },
    }
  }
  const context = secret.type.case === 'validationContext' ? secret.type.value : undefined
  const validator = context?.customValidatorConfig?.typedConfig
  const bundle =
    validator === undefined
      ? text(context?.trustedCa)
      : fromBinary(SPIFFECertValidatorConfigSchema, validator.value)
          .trustDomains.map((domain) => text(domain.trustBundle))
          .join('')
  return {
    name,
    kind: 'bundle',
    certificates: describe(bundle, name),
    files: { '.bundle.pem': bundle },
  }
}

function describe(pem: string, name: string): Fetched['certificates'] {
  return readCertificatesPem(pem, name).map((der) => {
    const certificate = parseCertificate(der, name)
    return {
      subject: certificate.subject,
      uris: certificate.uriSans,
      notAfter: new Date(certificate.notAfter).toISOString(),
    }
  })
}
