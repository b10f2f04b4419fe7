#!/usr/bin/env -S MALLOC_MMAP_THRESHOLD_=32768 node --max-semi-space-size=2 --disable-sigusr1
// argv, environment and signals to the command line; the only place that ends the process.
import type { WriteStream } from 'node:tty'
import type { Terminal } from './cli/io.ts'
import { run } from './cli/program.ts'
import { openStandardOutput } from './cli/standard-output.ts'
import { systemClock } from './runtime/clock.ts'

// A reader that goes away, as `| head` does, ends nothing: a command ends by itself, after what it opened is closed.
const out = openStandardOutput(process.stdout)
const err = openStandardOutput(process.stderr)

/** How long one that was told to end waits for who reads its output and does not. */
const PATIENCE_MS = 1_000
const told = new AbortController()

/** A registry may be piped in. */
const MOST_INPUT_BYTES = 64 * 2 ** 20

const exitCode = await run(process.argv.slice(2), {
  out: out.write,
  err: err.write,
  errFailures: () => err.failures,
  env: process.env,
  ...(!process.stdin.isTTY && { input: readInput }),
  onSignal(signal, listen) {
    const heard = (): void => {
      if (signal !== 'SIGHUP') told.abort()
      listen()
    }
    process.on(signal, heard)
    return () => void process.off(signal, heard)
  },
  outClosed: out.closed,
  ...(process.stdout.isTTY && { terminal: terminalOf(process.stdout) }),
})
const isTold = told.signal.aborted
if (isTold) systemClock.after(PATIENCE_MS, () => process.exit(exitCode))
const lost = await out.flushed()
if (lost !== undefined) err.write(`spindle: standard output cannot be written: ${lost}\n`)
await err.flushed()
process.exit(exitCode === 0 && lost !== undefined && !isTold ? 1 : exitCode)

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
