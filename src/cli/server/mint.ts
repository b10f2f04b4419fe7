/** `spindle x509 mint` and `spindle jwt mint`: SVIDs of any SPIFFE ID, without an entry. */
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import type { MintOptions } from './given.ts'
import { another, secondsOf, serverCommand } from './options.ts'

export function addMintCommands(program: Command, io: Io): void {
  const x509 = program.command('x509').description('X.509-SVIDs without an entry')
  serverCommand(x509, 'mint', 'make a key, and an X.509-SVID for it')
    .requiredOption('--spiffe-id <id>', 'whose')
    .option('--ttl <duration>', "its life (default: the server's)", secondsOf, 0)
    .option('--dns <name>', 'a DNS name in it', another)
    .option('--write <folder>', 'write svid.pem, key.pem (mode 0600) and bundle.pem')
    .action(async (options: MintOptions & { readonly dns?: readonly string[] }) => {
      const { mintX509 } = await import('./mint/x509.ts')
      await mintX509(io, options)
    })
  const jwt = program.command('jwt').description('JWT-SVIDs without an entry')
  serverCommand(jwt, 'mint', 'make a JWT-SVID')
    .requiredOption('--spiffe-id <id>', 'whose')
    .requiredOption('--audience <name>', 'who is to accept it', another)
    .option('--ttl <duration>', "its life (default: the server's)", secondsOf, 0)
    .option('--write <file>', 'write it there, with mode 0600')
    .action(async (options: MintOptions & { readonly audience: readonly string[] }) => {
      const { mintJwt } = await import('./mint/jwt.ts')
      await mintJwt(io, options)
    })
}
