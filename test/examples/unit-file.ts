/** A systemd unit as systemd reads it: keys in order, with every value given for each. */
export type Unit = ReadonlyMap<string, readonly string[]>

export function readUnit(text: string): Unit {
  const unit = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [, key, value = ''] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? []
    if (key !== undefined) unit.set(key, [...(unit.get(key) ?? []), value])
  }
  return unit
}

export function valueOf(unit: Unit, key: string): string {
  const [value, second] = unit.get(key) ?? []
  if (value === undefined || second !== undefined) throw new Error(`not one ${key}=`)
  return value
}

/** Names of system calls by set: `@file-system` → what it lists, sets among them. From `systemd-analyze syscall-filter`. */
export function readSyscallSets(text: string): ReadonlyMap<string, readonly string[]> {
  const sets = new Map<string, string[]>()
  let list: string[] = []
  for (const line of text.split('\n')) {
    if (/^@[\w-]+$/.test(line)) sets.set(line, (list = []))
    else if (/^ {4}[@\w-]+$/.test(line)) list.push(line.trim())
  }
  return sets
}

/** What `SystemCallFilter=` lines allow: the first lists what is allowed, later ones take away (`~`) or add. */
export function allowedCalls(
  filters: readonly string[],
  sets: ReadonlyMap<string, readonly string[]>,
): ReadonlySet<string> {
  const expand = (name: string): readonly string[] => {
    if (!name.startsWith('@')) return [name]
    const members = sets.get(name)
    if (members === undefined) throw new Error(`no set ${name}`)
    return members.flatMap(expand)
  }
  const allowed = new Set<string>()
  for (const filter of filters)
    for (const call of filter.replace(/^~/, '').split(/\s+/).flatMap(expand))
      if (filter.startsWith('~')) allowed.delete(call)
      else allowed.add(call)
  // systemd adds these to every list (systemd.exec(5)); the set is called @default.
  for (const call of expand('@default')) allowed.add(call)
  return allowed
}
