/** What to try while the demo stays: commands that can be copied as they are. */
import { join } from 'node:path'
import { makeProgram } from '../../os/scratch.ts'
import { spindleCommand } from './scene/agent.ts'
import type { Scene } from './scene/scene.ts'
import { ROLES } from './scene/cast.ts'
import { shellWord } from '../shell-word.ts'

/** Writes a `spindle` that knows this demo's sockets. @returns its path */
export function writeSpindle({ folder, agent }: Scene): string {
  const path = join(folder, 'spindle')
  const quoted = spindleCommand().map(shellWord).join(' ')
  makeProgram(
    path,
    `#!/bin/sh
export SPINDLE_ADMIN_SOCKET=${shellWord(agent.adminSocket)} SPINDLE_SOCKET=${shellWord(agent.socket)}
exec ${quoted} "$@"
`,
  )
  return path
}

export function tryNext({ agent, sidecars }: Scene, program: string): string {
  const spindle = shellWord(program)
  const { client, intruder, newcomer } = sidecars
  const call = (port: number): string => `curl -si http://127.0.0.1:${port}/`
  const lines: readonly (readonly [string, string])[] = [
    [call(client.outboundPort), 'the API, as the client'],
    [call(intruder.outboundPort), 'as the intruder: 503'],
    [call(newcomer.outboundPort), 'as the newcomer'],
    [`${spindle} status`, 'the agent as a whole'],
    [`${spindle} sds list`, 'every Envoy and what it holds'],
    [`${spindle} sds explain --pid ${newcomer.envoy.child.pid} --name default`, 'why it has it'],
    [`${spindle} svid renew`, 'new certificates for all'],
    [`${spindle} ca rotate`, 'a new CA'],
    [`${spindle} ca show`, 'the old and the new one'],
    [`curl -s http://${agent.httpAddress}/metrics`, 'what the agent counts'],
    ...ROLES.map((role): readonly [string, string] => [
      `curl -s ${sidecars[role].envoy.adminUrl}/certs`,
      `what the Envoy of ${role} holds`,
    ]),
    [`\${EDITOR:-vi} ${shellWord(agent.entriesFile)}`, 'who may be what; takes effect when saved'],
  ]
  const width = Math.max(...lines.map(([command]) => command.length))
  const text = lines.map(([command, what]) => `  ${command.padEnd(width)}  # ${what}\n`).join('')
  return `\nEverything keeps running until Ctrl-C. To try next, in another terminal:\n\n${text}\n`
}
