/** `spindle sds list --watch`: what the sidecars hold, as it changes, until Ctrl-C or until the agent goes. */
import { toJson } from '@bufbuild/protobuf'
import type { WatchSidecarsResponse } from '#spindle/admin/v1/admin_pb.js'
import { AdminService, WatchSidecarsResponseSchema } from '#spindle/admin/v1/admin_pb.js'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { systemClock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { AskOptions } from '../ask.ts'
import { untilInterrupted } from '../interrupt.ts'
import type { Format, Io, Terminal } from '../io.ts'
import { instantText, renderPlain } from '../output.ts'
import { sidecarsTable } from './list.ts'
import { createScreen } from './screen.ts'

/** @throws SpindleError `unreachable` or `not_ready` when there is no agent, or it goes */
export async function watchSidecars(io: Io, options: AskOptions): Promise<void> {
  const { createUnixClient } = await import('../../wire/client.ts')
  const { signal, restore } = untilInterrupted(io)
  const client = createUnixClient(options.adminSocket)
  const view = createView(io, options.output, systemClock)
  try {
    const { watchSidecars: method } = AdminService.method
    for await (const message of client.stream(method, {}, { signal })) view.show(message)
    if (!signal.aborted)
      throw new SpindleError('unreachable', `${options.adminSocket}: the agent ended the watch`)
  } finally {
    view.close()
    client.close()
    restore()
  }
}

export interface View {
  show(message: WatchSidecarsResponse): void
  close(): void
}

/** A table that is redrawn on a terminal, a table a change elsewhere; one JSON document a line; YAML documents. */
export function createView(io: Pick<Io, 'out' | 'terminal'>, format: Format, clock: Clock): View {
  if (format === 'table' && io.terminal !== undefined) return liveTable(io, io.terminal, clock)
  let before = false
  const rendered = (message: WatchSidecarsResponse): string => {
    if (format === 'table') {
      const now = clock.now()
      return `${before ? '\n' : ''}${instantText(now)}\n${sidecarsTable(message.sidecars, now)}`
    }
    const json = toJson(WatchSidecarsResponseSchema, message, { alwaysEmitImplicit: true })
    return format === 'json' ? `${JSON.stringify(json)}\n` : `---\n${renderPlain('yaml', json)}`
  }
  return {
    show(message) {
      io.out(rendered(message))
      before = true
    },
    close: () => undefined,
  }
}

const TICK_MS = 1_000

function liveTable(io: Pick<Io, 'out'>, terminal: Terminal, clock: Clock): View {
  const screen = createScreen(io, terminal)
  let latest: WatchSidecarsResponse | undefined
  let tick: Timer | undefined
  const draw = (): void => {
    if (latest === undefined) return
    const now = clock.now()
    const head = `${instantText(now)}  sidecars: ${latest.sidecars.length}; Ctrl-C ends\n\n`
    screen.draw(head + sidecarsTable(latest.sidecars, now))
    // What is left of a certificate's life goes on changing.
    tick?.cancel()
    tick = clock.after(TICK_MS, draw)
  }
  const stopFitting = terminal.onResize(draw)
  return {
    show(message) {
      latest = message
      draw()
    },
    close() {
      stopFitting()
      tick?.cancel()
      screen.close()
    },
  }
}
