/** One line of JSON log as a plain line: `2026-01-01T00:00:00.000Z info  message name=value`. */
export function textLine(json: string): string {
  const { time, level, message, ...fields } = JSON.parse(json) as Record<string, unknown>
  const parts = Object.entries(fields).flatMap(([name, value]) => pairs(name, value))
  const head = [word(time), word(level).padEnd(5), oneLine(word(message))]
  return `${[...head, ...parts].join(' ')}\n`
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Members of a mapping get names such as `error.code`. */
function pairs(name: string, value: unknown): readonly string[] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([inner, part]) => pairs(`${name}.${inner}`, part))
  const plain = typeof value === 'string' && /^[^\s"=\p{C}]+$/u.test(value)
  return [`${oneLine(name)}=${plain ? value : oneLine(JSON.stringify(value))}`]
}

/** A caller's text must not end the line or steer the terminal. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16).padStart(4, '0')
    return `\\u${code}`
  })
}
