/** Changes to DER that leave lengths right, so that what is changed is reached: elements taken out, doubled, moved, retagged. */
import type { Draw } from './draw.ts'
import { mutate } from './draw.ts'

interface Element {
  tag: number
  /** Of a constructed element, or of an octet or bit string that holds DER. */
  children: Element[] | undefined
  contents: Buffer
  /** Of a bit string: the count of unused bits before what it holds. */
  readonly before: Buffer
}

const CONSTRUCTED = 0x20
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const DEEPEST = 12

/** undefined where it is no DER. */
function decode(bytes: Buffer, depth = 0): Element[] | undefined {
  const elements: Element[] = []
  for (let at = 0; at < bytes.length;) {
    const [tag = 0, first = 0] = [bytes[at], bytes[at + 1]]
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f
    const begin = at + 2 + lengthBytes
    if ((tag & 0x1f) === 0x1f || lengthBytes > 3 || begin > bytes.length) return undefined
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes)
    at = begin + length
    if (at > bytes.length) return undefined
    const contents = bytes.subarray(begin, at)
    const unused = tag === BIT_STRING ? 1 : 0
    const holds = (tag & CONSTRUCTED) !== 0 || tag === OCTET_STRING || tag === BIT_STRING
    const children =
      holds && depth < DEEPEST ? decode(contents.subarray(unused), depth + 1) : undefined
    elements.push({ tag, children, contents, before: contents.subarray(0, unused) })
  }
  return elements
}

function encode({ tag, children, contents, before }: Element): Buffer {
  const body = children === undefined ? contents : Buffer.concat([before, ...children.map(encode)])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  const head =
    body.length < 0x80
      ? [tag, body.length]
      : body.length < 0x100
        ? [tag, 0x81, body.length]
        : body.length < 0x1_0000
          ? [tag, 0x82, ...length.subarray(2)]
          : [tag, 0x83, ...length.subarray(1)]
  return Buffer.concat([Buffer.from(head), body])
}

function copy(element: Element): Element {
  return { ...element, children: element.children?.map(copy) }
}

function all(elements: readonly Element[]): Element[] {
  return elements.flatMap((element) => [element, ...all(element.children ?? [])])
}

/** A copy of the certificate `der` with a few of its elements changed, some of them taken from `other`. */
export function mutateDer(draw: Draw, der: Buffer, other: Buffer): Buffer {
  const roots = decode(der) ?? []
  const donors = all(decode(other) ?? [])
  for (let change = 1 + draw.int(3); change > 0; change--) {
    const elements = all(roots)
    const element = elements[draw.int(elements.length)]
    const donor = donors[draw.int(donors.length)]
    if (element === undefined || donor === undefined) break
    changeOne(draw, element, copy(donor))
  }
  return Buffer.concat(roots.map(encode))
}

function changeOne(draw: Draw, element: Element, donor: Element): void {
  const { children } = element
  const at = draw.int(children?.length ?? 0)
  switch (draw.int(8)) {
    case 0:
      children?.splice(at, 1)
      break
    case 1:
      if (children?.[at] !== undefined) children.splice(at, 0, copy(children[at]))
      break
    case 2:
      children?.splice(at, 0, donor)
      break
    case 3:
      children?.splice(at, 1, donor)
      break
    case 4:
      children?.reverse()
      break
    case 5:
      element.tag = draw.pick([
        0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x17, 0x18, 0x30, 0x31, 0x80, 0xa0, 0xa3,
      ])
      break
    default:
      if (children === undefined) element.contents = mutate(draw, element.contents, donor.contents)
  }
}
