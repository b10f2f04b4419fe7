/** `spindle ca`: what signs. */
import type { Command } from 'commander'
import type { RotateAuthorityResponse, Slot } from '#spindle/admin/v1/admin_pb.js'
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import { SpindleError } from '../runtime/errors.ts'
import type { AskOptions } from './ask.ts'
import { ask } from './ask.ts'
import type { Io } from './io.ts'
import { fromNow, instant, record, table } from './output.ts'

/** A rotation waits for sidecars to take the new bundle. */
export const ROTATE_DEADLINE_MS = 120_000

type AddCommand = (parent: Command, name: string, description: string) => Command

export function addAuthorityCommands(ca: Command, io: Io, command: AddCommand): void {
  command(ca, 'show', 'the slots of the signing authority, and its keys for JWT-SVIDs').action(
    (options: AskOptions) =>
      ask(io, options, {
        method: AdminService.method.getAuthority,
        request: {},
        table: ({ slots, fault, jwtSlots, jwtFault }, now) =>
          [
            slotTable('AUTHORITY', slots, now) + faultLine(fault),
            slotTable('JWT KEY', jwtSlots, now) + faultLine(jwtFault),
          ].join('\n'),
      }),
  )
  command(
    ca,
    'rotate',
    'prepare a next authority, publish it, wait for sidecars to trust it, let it sign',
  )
    .option('--jwt', 'instead: publish a next key for JWT-SVIDs, which signs some minutes later')
    .option('--now', 'with --jwt: let it sign at once; the key before it stays trusted')
    .action((options: AskOptions & { readonly jwt?: true; readonly now?: true }) => {
      const { jwt = false, now = false } = options
      if (now && !jwt) throw new SpindleError('usage', '--now goes with --jwt')
      return ask(io, options, {
        method: AdminService.method.rotateAuthority,
        request: { jwt, now },
        table: jwt ? jwtRotationTable : rotationTable,
        deadlineMs: ROTATE_DEADLINE_MS,
      })
    })
}

const faultLine = (fault: string): string => (fault === '' ? '' : `\nfault: ${fault}\n`)

function slotTable(name: string, slots: readonly Slot[], now: number): string {
  const signs = ({ status, activatesAt }: Slot): string | undefined => {
    if (status === 'prepared') return fromNow(activatesAt, now)
    return status === 'active' ? 'now' : 'no more'
  }
  return table(
    [name, 'STATUS', 'SIGNS', 'EXPIRES', 'NOT AFTER'],
    slots.map((slot) => [
      slot.authorityId,
      slot.status,
      signs(slot),
      fromNow(slot.notAfter, now),
      instant(slot.notAfter),
    ]),
  )
}

const rotationTable = (answer: RotateAuthorityResponse): string =>
  record([
    ['active authority', answer.activeAuthorityId],
    ['bundle acknowledged', `${answer.acknowledged} of ${answer.holding}`],
    ['identities renewed', answer.renewed],
  ])

const jwtRotationTable = (answer: RotateAuthorityResponse, now: number): string =>
  record([
    ['active JWT key', answer.activeAuthorityId],
    ...(answer.preparedAuthorityId === ''
      ? []
      : ([
          ['next JWT key', answer.preparedAuthorityId],
          ['signs', fromNow(answer.activatesAt, now)],
        ] as const)),
  ])
