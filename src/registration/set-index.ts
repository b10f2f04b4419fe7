/** Sets by key; a key without members is not kept. Of most keys there is one member, which is kept without a set. */
export class Index<K, V> {
  readonly #members = new Map<K, V | Several<V>>()

  add(key: K, value: V): void {
    const known = this.#members.get(key)
    if (known instanceof Several) known.add(value)
    else if (known === undefined) this.#members.set(key, value)
    else if (known !== value) this.#members.set(key, new Several([known, value]))
  }

  delete(key: K, value: V): void {
    const known = this.#members.get(key)
    if (known === value) this.#members.delete(key)
    else if (known instanceof Several && known.delete(value) && known.size === 0)
      this.#members.delete(key)
  }

  /** In the order they were added. */
  of(key: K): Iterable<V> {
    const known = this.#members.get(key)
    if (known === undefined) return []
    return known instanceof Several ? known : [known]
  }

  has(key: K): boolean {
    return this.#members.has(key)
  }

  count(key: K): number {
    const known = this.#members.get(key)
    if (known === undefined) return 0
    return known instanceof Several ? known.size : 1
  }
}

class Several<V> extends Set<V> {}
