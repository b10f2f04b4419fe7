import type { Io } from '../io.ts'
export async function runDemo(_io: Io, _options: { stay: boolean }): Promise<void> {}
