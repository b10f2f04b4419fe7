/** A Dockerfile as a list of instructions, stage by stage. */
export interface Instruction {
  /** Upper case. */
  readonly name: string
  /** Lines that go on are one, with single spaces. */
  readonly text: string
}

export interface Stage {
  readonly image: string
  /** '' for the last one, which has none. */
  readonly name: string
  readonly instructions: readonly Instruction[]
}

export function readDockerfile(text: string): readonly Stage[] {
  const stages: { image: string; name: string; instructions: Instruction[] }[] = []
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n\s*/g, '')
  for (const line of lines.split('\n').filter((one) => one.trim() !== '')) {
    const [, name = '', rest = ''] = /^([A-Z]+) +(.+)$/.exec(line) ?? []
    if (name === '') throw new Error(`not an instruction: ${line}`)
    if (name === 'FROM') {
      const [, image = '', stage = ''] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? []
      stages.push({ image, name: stage, instructions: [] })
    } else stages.at(-1)?.instructions.push({ name, text: rest })
  }
  return stages
}

/** Whether a `.dockerignore` of whole names at the top (`*`, `!name`, `name/below`) leaves a file in. */
export function leftIn(ignore: string, path: string): boolean {
  let left = true
  for (const line of ignore.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
    const pattern = line.replace(/^!/, '')
    if (pattern === '*' || path === pattern || path.startsWith(`${pattern}/`))
      left = line.startsWith('!')
  }
  return left
}
