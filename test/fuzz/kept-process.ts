// `node --import kept-process.ts …`: at SIGUSR2 it collects its garbage and says what it keeps. See bystander.ts.
import { writeSync } from 'node:fs'
import { collectGarbage } from '../leaks.ts'

let asked = 0
process.on('SIGUSR2', () => {
  collectGarbage()
  const { heapUsed, external, rss } = process.memoryUsage()
  asked += 1
  writeSync(1, `${JSON.stringify({ kept: asked, bytes: heapUsed + external, rss })}\n`)
})
