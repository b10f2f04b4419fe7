/** One question to the admin socket of a running agent, printed. */
import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { systemClock } from '../runtime/clock.ts'
import type { Format, Io } from './io.ts'
import { CommandFailed } from './io.ts'
import { CALL_DEADLINE_MS } from './options.ts'
import { render } from './output.ts'

export interface AskOptions {
  readonly adminSocket: string
  readonly output: Format
}

export async function ask<I extends DescMessage, O extends DescMessage>(
  io: Io,
  options: AskOptions,
  question: {
    readonly method: DescMethodUnary<I, O>
    readonly request: MessageInitShape<I>
    readonly table: (answer: MessageShape<O>, now: number) => string
    readonly deadlineMs?: number
    /** Whether the answer, which is printed all the same, is one of an agent that is not ready. */
    readonly isNotReady?: (answer: MessageShape<O>) => boolean
  },
): Promise<void> {
  const { createUnixClient } = await import('../wire/client.ts')
  const client = createUnixClient(options.adminSocket)
  try {
    const value = await client.call(question.method, question.request, {
      deadlineMs: question.deadlineMs ?? CALL_DEADLINE_MS,
    })
    const message = { schema: question.method.output, value }
    io.out(render(options.output, message, () => question.table(value, systemClock.now())))
    if (question.isNotReady?.(value) === true) throw new CommandFailed(3)
  } finally {
    client.close()
  }
}
