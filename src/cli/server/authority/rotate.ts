import { toJson } from '@bufbuild/protobuf'
import {
  AuthorityKind,
  AuthorityRotation,
  RotateProgressSchema,
  RotateStep,
} from '#spindle/server/v1/rotation_pb.js'
import type { RotateProgress } from '#spindle/server/v1/rotation_pb.js'
import { untilInterrupted } from '../../interrupt.ts'
import { CommandFailed } from '../../io.ts'
import type { Format, Io } from '../../io.ts'
import { renderPlain } from '../../output.ts'
import { withServer } from '../ask.ts'
import type { RotateOptions } from '../given.ts'
import { counted } from '../text.ts'

/** A line for each change. @throws SpindleError in the server's words, when it refuses or the command is to end */
export async function rotateAuthority(io: Io, options: RotateOptions): Promise<void> {
  const { jwt = false, force = false, allowAway = false, wait, output } = options
  const request = {
    kind: jwt ? AuthorityKind.JWT : AuthorityKind.X509,
    force,
    allowAway,
    waitSeconds: wait,
  }
  const { signal, restore } = untilInterrupted(io)
  try {
    await withServer(options, async (server) => {
      const progress = server.stream(AuthorityRotation.method.rotate, request, { signal })
      for await (const value of progress) io.out(progressLine(output, value))
    })
  } finally {
    restore()
  }
  if (signal.aborted)
    throw new CommandFailed(1, 'Interrupted: nothing is lost, the same command goes on from here')
}

/** One JSON document a line, or YAML documents. */
function progressLine(format: Format, value: RotateProgress): string {
  if (format === 'table') return progressText(value)
  const json = toJson(RotateProgressSchema, value, {
    alwaysEmitImplicit: true,
    useProtoFieldName: true,
  })
  return format === 'json' ? `${JSON.stringify(json)}\n` : `---\n${renderPlain('yaml', json)}`
}

const STEPS: Readonly<Record<RotateStep, string>> = {
  [RotateStep.UNSPECIFIED]: 'waiting',
  [RotateStep.PREPARE]: 'prepare: the next authority is being made',
  [RotateStep.ACTIVATE]: 'activate: the next authority is in the bundle',
  [RotateStep.TAINT]: 'taint: the new authority signs',
  [RotateStep.REVOKE]: 'revoke: what the old authority signed is being replaced',
  [RotateStep.DONE]: 'done: only the new authority is trusted',
}

function progressText(progress: RotateProgress): string {
  const { step, newAuthorityId, oldAuthorityIds } = progress
  const { connectedAgents, readyAgents, awayAgents, waitsFor } = progress
  const facts = [
    newAuthorityId === '' ? '' : `new ${newAuthorityId}`,
    oldAuthorityIds.length === 0 ? '' : `old ${oldAuthorityIds.join(', ')}`,
    step === RotateStep.DONE ? '' : `${readyAgents} of ${counted(connectedAgents, 'agent')} ready`,
    awayAgents === 0 || step === RotateStep.DONE ? '' : `${counted(awayAgents, 'agent')} away`,
    waitsFor === '' ? '' : `waits for ${waitsFor}`,
  ].filter((fact) => fact !== '')
  // When all is done, nobody is waited for any more.
  const names = [
    ...progress.behind.map((id) => `  behind: ${id}\n`),
    ...progress.away.map((id) => `  away: ${id}\n`),
  ]
  const waited = step === RotateStep.DONE ? '' : names.join('')
  return `${[STEPS[step], ...facts].join('; ')}\n${waited}`
}
