// `node as-uid.ts UID ARGS...`: a command of the CLI as another user. Everything is loaded before the change of user, who may
// have no way into the folder the checkout lies in; of what was built, commands load their parts later.
import { run } from '../../../src/cli/program.ts'
import '../../../src/wire/client.ts'
import '../../../src/cli/fetch.ts'
import '../../../src/cli/run-files.ts'

const [, , uid, ...args] = process.argv
process.setgroups?.([])
process.setgid?.(Number(uid))
process.setuid?.(Number(uid))
process.exit(
  await run(args, {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
    env: process.env,
    onSignal(signal, listen) {
      process.on(signal, listen)
      return () => void process.off(signal, listen)
    },
  }),
)
