// `node as-uid.ts UID MAIN ARGS...`: a command of the CLI as another user. Everything is loaded before the change of user,
// who may have no way into the folder the checkout lies in.
import { dirname, extname, join } from 'node:path'

const [, , uid, main = '', ...args] = process.argv
const load = async (name: string): Promise<unknown> =>
  import(join(dirname(main), `${name}${extname(main)}`))
const { run } = (await load('cli/program')) as {
  run(args: readonly string[], io: unknown): Promise<number>
}
await load('wire/client')
await load('cli/fetch')
process.setgroups?.([])
process.setgid?.(Number(uid))
process.setuid?.(Number(uid))
process.exit(
  await run(args, {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
    env: process.env,
    onSignal: () => () => undefined,
  }),
)
