/** Whose an IP address is: what is counted for each caller is counted by this, and shown by the address itself. */

const GROUPS = 8
/** What a host of IPv6 is given at least, and may take any address of (RFC 4291 2.5.1, RFC 7421). */
const PREFIX_GROUPS = 4

/** An IPv4 address as such, where it comes in by a socket of IPv6. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}

/**
 * One key for all the addresses that one caller may take: an IPv4 address is its own, mapped into IPv6 or not; of an IPv6 address
 * it is the /64, `2001:db8:0:7::/64`, without a zone. What is no address is its own key.
 */
export function addressKey(address: string): string {
  const groups = groupsOf(address)
  if (groups === undefined) return address
  const [high = 0, low = 0] = groups.slice(-2)
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
  const prefix = groups.slice(0, PREFIX_GROUPS).map((group) => group.toString(16))
  return `${prefix.join(':')}::/64`
}

/** The eight numbers of an IPv6 address; undefined: it is none. */
function groupsOf(address: string): readonly number[] | undefined {
  const [plain = ''] = address.split('%')
  const hex = plain.replace(/(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/, (_, ...parts) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number)
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
  const halves = hex.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const [before = [], after = []] = halves
  const left = GROUPS - before.length - after.length
  const isWhole = halves.length === 1 ? left === 0 : halves.length === 2 && left >= 0
  const gap = Array.from({ length: Math.max(0, left) }, () => '0')
  const groups = [...before, ...gap, ...after]
  if (!isWhole || !groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined
  return groups.map((group) => parseInt(group, 16))
}
