const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Keeps the process alive until the result is called: for a command that may come to wait for nothing but the clock,
 * whose timers do not.
 */
export function keepAlive(): () => void {
  const handle = setInterval(() => undefined, LONGEST_TIMER_MS)
  return () => clearInterval(handle)
}
