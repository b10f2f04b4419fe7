/** Which of the servers on a store this one is: drawn once, and kept in `stateDir` beside its keys. */
import { hash } from 'node:crypto'
import type { StateFile } from '../../authority/slots/sealed-slots.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/random.ts'

const WRITTEN = /^([0-9a-f]{32}) ([0-9a-f]{16})\n$/

/** One character of another name would be another server's. */
const checkOf = (id: string): string => hash('sha256', id, 'hex').slice(0, 16)

/** @throws SpindleError `authority_lost` for one that is damaged */
export async function readServerId(file: StateFile): Promise<string | undefined> {
  const text = await file.read()
  if (text === undefined) return undefined
  const [, id = '', check] = WRITTEN.exec(text) ?? []
  if (check === checkOf(id)) return id
  throw new SpindleError('authority_lost', 'its name among the servers of the store is damaged')
}

export async function drawServerId(file: StateFile, random: Random): Promise<string> {
  const id = random.bytes(16).toString('hex')
  await file.write(`${id} ${checkOf(id)}\n`)
  return id
}
