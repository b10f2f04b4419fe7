import type { Format } from '../io.ts'
import { renderPlain } from '../output.ts'
import type { Level, Verdict } from './verdict.ts'

export function report(verdicts: readonly Verdict[], format: Format): string {
  const count = (level: Level): number => verdicts.filter((each) => each.level === level).length
  const [oks, warnings, failures] = [count('ok'), count('warn'), count('fail')]
  if (format !== 'table')
    return renderPlain(format, { checks: verdicts, ok: oks, warnings, failures })
  const width = Math.max(...verdicts.map(({ check }) => check.length))
  const summary = `${oks} ok, ${warnings} to look at, ${failures} to mend\n`
  return verdicts.map((verdict) => lines(verdict, width)).join('') + `\n${summary}`
}

const MARKS: Readonly<Record<Level, string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' }

function lines({ check, level, where, detail, todo }: Verdict, width: number): string {
  const indent = ' '.repeat(MARKS.ok.length + width + 4)
  const told = [...(where === '' ? [] : [where]), ...detail.split('\n')]
  const rest = [...told.slice(1), ...(todo === '' ? [] : [`→ ${todo}`])]
  const head = `${MARKS[level]}  ${check.padEnd(width)}  ${told[0]}`.trimEnd()
  return [head, ...rest.map((line) => indent + line)].map((line) => `${line}\n`).join('')
}
