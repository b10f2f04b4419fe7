#!/usr/bin/env -S MALLOC_MMAP_THRESHOLD_=32768 node --max-semi-space-size=2 --disable-sigusr1
// argv, environment and signals to the command line; the only place that ends the process.
import type { WriteStream } from 'node:tty'
import type { Terminal } from './cli/io.ts'
import { run } from './cli/program.ts'

// A reader that goes away, as `| head` does, ends nothing: a command ends by itself, after what it opened is closed.
const outClosed = new AbortController()
process.stdout.on('error', () => outClosed.abort())
process.stderr.on('error', () => undefined)

/** A registry may be piped in. */
const MOST_INPUT_BYTES = 64 * 2 ** 20

const exitCode = await run(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  ...(!process.stdin.isTTY && { input: readInput }),
  onSignal(signal, listen) {
    process.on(signal, listen)
    return () => void process.off(signal, listen)
  },
  outClosed: outClosed.signal,
  ...(process.stdout.isTTY && { terminal: terminalOf(process.stdout) }),
})
process.exit(exitCode)

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  let left = MOST_INPUT_BYTES
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    left -= chunk.length
    if (left < 0) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

function terminalOf(stream: WriteStream): Terminal {
  return {
    size: () => ({ columns: stream.columns, rows: stream.rows }),
    onResize(listen) {
      stream.on('resize', listen)
      return () => void stream.off('resize', listen)
    },
  }
}
