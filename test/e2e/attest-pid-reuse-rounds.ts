/**
 * Runs as a process of a pid namespace of its own (attest-refuses-pid-reuse.test.ts). Each round a process connects,
 * forks, dies and is reaped; a program everybody trusts is started under the same pid and uid; the child still holds the
 * socket. Writes what came of it, as JSON.
 */
import { existsSync, readlinkSync, unlinkSync } from 'node:fs'
import { PYTHON, openAttestHost, startCaller } from './attest-host.ts'
import type { AttestHost, CallerProcess } from './attest-host.ts'
import { codeOf } from '../../src/runtime/errors.ts'

/** Commands on standard input: `connect SOCKET` answers the pid; `reuse` answers the pid of the trusted program. */
const DRIVER = `
import os, signal, socket, sys, time
UID = 61001
def become_caller():
    os.setgroups([]); os.setgid(UID); os.setuid(UID)
for line in sys.stdin:
    command = line.split()
    if command[0] == 'connect':
        end, told_to_end = os.pipe(); connected, say = os.pipe()
        caller = os.fork()
        if caller == 0:
            os.close(told_to_end); become_caller()
            s = socket.socket(socket.AF_UNIX); s.connect(command[1])
            if os.fork() == 0:
                os.close(say); s.recv(1); os._exit(0)
            os.write(say, b'.'); os.read(end, 1); os._exit(0)
        os.close(end); os.close(say); os.read(connected, 1); os.close(connected)
        print(caller, flush=True)
    if command[0] == 'reuse':
        os.close(told_to_end); os.waitpid(caller, 0)
        trusted = 0
        for attempt in range(200):
            with open('/proc/sys/kernel/ns_last_pid', 'w') as last:
                last.write(str(caller - 1))
            r, w = os.pipe()
            os.set_inheritable(w, False)
            trusted = os.fork()
            if trusted == 0:
                become_caller(); os.execv('/bin/sleep', ['sleep', '60'])
            os.close(w); os.read(r, 1); os.close(r)
            if trusted == caller:
                break
            os.kill(trusted, signal.SIGKILL); os.waitpid(trusted, 0)
        print(trusted, flush=True)
    if command[0] == 'clear':
        os.kill(trusted, signal.SIGKILL); os.waitpid(trusted, 0)
        print('cleared', flush=True)
`

export interface RoundResult {
  /** Whether the trusted program got the caller's pid. */
  readonly reused: boolean
  /** What an attestor that reads /proc/PID/exe would have believed. */
  readonly naive: string
  readonly outcome: string
}

const NO_KINDS: ReadonlySet<string> = new Set()

async function attackAfterAccept(host: AttestHost, driver: CallerProcess): Promise<RoundResult> {
  host.accept()
  driver.write(`connect ${host.socket}\n`)
  const pid = await driver.line()
  const connection = await host.next()
  if (typeof connection === 'string') return { reused: false, naive: '', outcome: connection }
  // Without the attack the caller is attested: a refusal below is for the attack.
  const before = await host.attestor.attest(connection, NO_KINDS)
  driver.write('reuse\n')
  const reused = (await driver.line()) === pid
  const naive = readlinkSync(`/proc/${connection.peer.pid}/exe`)
  const believed = host.attestor.unchanged(connection, before) || connection.alive()
  const outcome = await host.attestor.attest(connection, NO_KINDS).then(
    ({ process }) => `attested as ${process.exe}`,
    (thrown: unknown) => codeOf(thrown),
  )
  return { reused, naive, outcome: believed ? 'believed to be alive' : outcome }
}

async function attackBeforeAccept(host: AttestHost, driver: CallerProcess): Promise<RoundResult> {
  driver.write(`connect ${host.socket}\n`)
  const pid = await driver.line()
  driver.write('reuse\n')
  const reused = (await driver.line()) === pid
  const naive = readlinkSync(`/proc/${pid}/exe`)
  host.accept()
  const outcome = await host.next()
  return { reused, naive, outcome: typeof outcome === 'string' ? outcome : 'accepted' }
}

/** What a test context is to those that clean up after themselves. */
function createScope(): { after(run: () => unknown): void; end(): Promise<void> } {
  const cleanups: (() => unknown)[] = []
  return {
    after: (run) => void cleanups.push(run),
    async end() {
      for (const cleanup of cleanups.reverse()) await cleanup()
    },
  }
}

async function main(folder: string, rounds: number): Promise<void> {
  const whole = createScope()
  const driver = startCaller(whole, { uid: 0 }, [PYTHON, '-u', '-c', DRIVER])
  const results: { afterAccept: RoundResult[]; beforeAccept: RoundResult[] } = {
    afterAccept: [],
    beforeAccept: [],
  }
  for (let round = 0; round < rounds; round++) {
    for (const [list, attack] of [
      [results.afterAccept, attackAfterAccept],
      [results.beforeAccept, attackBeforeAccept],
    ] as const) {
      const scope = createScope()
      const host = await openAttestHost(scope, folder, `${round}-${list.length}-${attack.name}`)
      list.push(await attack(host, driver))
      driver.write('clear\n')
      await driver.line()
      await scope.end()
      unlinkSync(host.socket)
    }
  }
  await new Promise<void>((written) => {
    process.stdout.write(JSON.stringify(results), () => written())
  })
  await whole.end()
}

if (existsSync('/proc/sys/kernel/ns_last_pid')) {
  await main(process.argv[2] ?? '', Number(process.argv[3]))
}
process.exit()
