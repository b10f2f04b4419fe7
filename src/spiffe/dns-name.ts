/** RFC 1035 2.3.4 */
const MAX_NAME_LENGTH = 253
const MAX_LABEL_LENGTH = 63

/**
 * What keeps `name` from being a dNSName of an X.509-SVID, in words; undefined when it is one. Allowed is what RFC 5280
 * 4.2.1.6 calls the preferred name syntax, in ASCII (an internationalised name in its `xn--` form), `*` as the first of
 * several labels, and `_`, which names of services have inside a network: SPIRE takes it too.
 */
export function dnsNameFault(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.length > MAX_NAME_LENGTH) return `is longer than ${MAX_NAME_LENGTH} characters`
  if (name.endsWith('.')) return 'ends with a dot'
  const labels = (name.startsWith('*.') ? name.slice(2) : name).split('.')
  for (const label of labels) {
    const fault = labelFault(label)
    if (fault !== undefined) return fault
  }
  return undefined
}

function labelFault(label: string): string | undefined {
  if (label === '') return 'has an empty label'
  if (label.includes('*')) return 'has a * that is not the whole first label of several'
  if (label.length > MAX_LABEL_LENGTH)
    return `has a label longer than ${MAX_LABEL_LENGTH} characters`
  if (!/^[a-z0-9_-]*$/i.test(label)) return 'has a label with a character other than a-z 0-9 - _'
  if (label.startsWith('-') || label.endsWith('-')) return 'has a label that begins or ends with -'
  return undefined
}
