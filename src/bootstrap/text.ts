/** `text` with `spaces` more in front of every line of it. */
export function block(spaces: number, text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? line : ' '.repeat(spaces) + line))
    .join('\n')
}

/** A YAML scalar: plain where it can be taken for nothing else, also inside `{ }`. */
export function scalar(text: string): string {
  const isPlain =
    /^[A-Za-z/](?:[\w./-]|:\/\/)*$/.test(text) &&
    !/^(?:true|false|yes|no|on|off|null|y|n)$/i.test(text)
  if (isPlain || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return text
  return `'${text.replaceAll("'", "''")}'`
}
