import { holdsKeyText } from './key-text.ts'

/**
 * Text that a client chose, for people: on one line, without control characters (which move the cursor of the terminal it is
 * printed to), cut at `longest` characters, and nothing of it where it holds a private key.
 */
export function shownText(text: string, longest: number): string {
  if (holdsKeyText(text)) return '[redacted: private key]'
  return text.slice(0, longest).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
}
