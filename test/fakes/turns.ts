/** What `run` resolves to, and how often others had their turn on the event loop meanwhile. */
export async function turnsOf<T>(
  run: () => Promise<T>,
): Promise<{ readonly value: T; readonly turns: number }> {
  let turns = 0
  let over = false
  const count = (): void => {
    turns++
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  const value = await run()
  over = true
  return { value, turns }
}
