import type { StateFile } from '../../src/authority/slots/sealed-slots.ts'

/** A state file in memory; what is moved aside stays to be looked at. */
export interface MemoryStateFile extends StateFile {
  text: string | undefined
  readonly aside: Map<string, string | undefined>
  /** While set, writing fails with it. */
  writeFault: Error | undefined
  readFault: Error | undefined
  writes: number
}

export function createStateFile(text?: string): MemoryStateFile {
  const aside = new Map<string, string | undefined>()
  return {
    text,
    aside,
    writeFault: undefined,
    readFault: undefined,
    writes: 0,
    read() {
      if (this.readFault !== undefined) throw this.readFault
      return this.text
    },
    write(next) {
      if (this.writeFault !== undefined) throw this.writeFault
      this.writes++
      this.text = next
    },
    quarantine() {
      const name = `state.json.aside-${aside.size + 1}`
      aside.set(name, this.text)
      this.text = undefined
      this.readFault = undefined
      return name
    },
  }
}
