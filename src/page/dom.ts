/** Elements made of text alone: nothing that the agent tells is ever read as HTML. */

export type Child = Node | string | false | undefined

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children.filter((child) => child !== undefined && child !== false))
  return element
}

/** @throws where the page has no such element */
export function byId(id: string): HTMLElement {
  return only(document, `#${id}`)
}

export function only<T extends HTMLElement = HTMLElement>(within: ParentNode, selector: string): T {
  const found = within.querySelector<T>(selector)
  if (found === null) throw new Error(`the page has no ${selector}`)
  return found
}

/** How something stands: a word with a sign in front, since a colour alone does not tell everyone. */
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'quiet'

export function badge(tone: Tone, sign: string, word: string): HTMLElement {
  return el('span', { class: `badge ${tone}` }, `${sign} ${word}`)
}

/** Text that counts down to `until` by itself; `from` is when its life began, to tell what is late. */
export function countdown(until: number, from?: number): HTMLElement {
  const times = {
    'data-until': String(until),
    ...(from !== undefined && { 'data-from': `${from}` }),
  }
  return el('span', { class: 'count', ...times })
}
