/** `spindle envoy config`: a sidecar's configuration, ready to run. */
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import type { SidecarArguments } from './envoy/arguments.ts'
import type { Io } from './io.ts'
import { DEFAULT_AGENT_SOCKET, DEFAULT_ENVOY_ADMIN_PORT } from './options.ts'

export function addEnvoyCommands(program: Command, io: Io): void {
  const envoy = program.command('envoy').description('Envoys that take their secrets from Spindle')
  envoy
    .command('config')
    .description('print a complete configuration for a sidecar, with the reason for each setting')
    .requiredOption('--service <name>', 'what the sidecar belongs to: its node.cluster')
    .option('--node-id <id>', 'its node.id (default: the service)')
    .requiredOption('--inbound <port>', 'where callers reach it, over mutual TLS', port(0))
    .requiredOption('--app <port>', 'where the application listens, on the loopback', port(1))
    .option('--outbound <port>', 'where the application reaches its peer, on the loopback', port(0))
    .option('--peer <host:port>', 'the peer it reaches there')
    .option('--trust-domain <name>', 'the trust domain of the agent')
    .option(
      '--federated [names...]',
      'ask for the bundles of other trust domains too, and let them in',
    )
    .option('--allow <ids...>', 'SPIFFE IDs that may call (default: all of the trust domains)')
    .option(
      '--allow-peer <ids...>',
      'SPIFFE IDs the peer may have (default: all of the trust domains)',
    )
    .addOption(
      new Option('--variant <variant>', 'of SDS').choices(['delta', 'sotw']).default('delta'),
    )
    .option('--on-demand', 'be active before there is a certificate; handshakes wait for it', false)
    .option('--socket <path>', "the agent's socket", DEFAULT_AGENT_SOCKET)
    .option(
      '--admin-port <port>',
      "of Envoy's admin interface, on the loopback",
      port(0),
      DEFAULT_ENVOY_ADMIN_PORT,
    )
    .action(async (options: SidecarArguments) => {
      const { sidecarConfig } = await import('./envoy/arguments.ts')
      io.out(sidecarConfig(options))
    })
}

function port(least: 0 | 1): (text: string) => number {
  return (text) => {
    const value = /^\d{1,5}$/.test(text) ? Number(text) : -1
    if (value < least || value > 65_535)
      throw new InvalidArgumentError(`It must be a port, from ${least} to 65535.`)
    return value
  }
}
