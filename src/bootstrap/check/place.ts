/** A place in a configuration, by its path. Envoy reads `snake_case` and `camelCase` alike, so both are found. */
export class Place {
  readonly value: unknown
  /** `static_resources.listeners[0].address` */
  readonly path: string

  constructor(value: unknown, path = '') {
    this.value = value
    this.path = path
  }

  /** A field by its snake_case name. A place that is not there has no value, and a path all the same. */
  at(...names: readonly string[]): Place {
    return names.reduce<Place>((place, name) => place.#field(name), this)
  }

  /** Of a list; none where it is none. */
  items(): readonly Place[] {
    if (!Array.isArray(this.value)) return []
    return this.value.map((item, index) => new Place(item, `${this.path}[${index}]`))
  }

  /** Every object below and with this one, top down. */
  *objects(): Generator<Place> {
    if (typeof this.value !== 'object' || this.value === null) return
    if (Array.isArray(this.value)) {
      for (const item of this.items()) yield* item.objects()
      return
    }
    yield this
    for (const key of Object.keys(this.value)) yield* this.#field(key).objects()
  }

  has(name: string): boolean {
    return this.at(name).value !== undefined
  }

  get isThere(): boolean {
    return this.value !== undefined && this.value !== null
  }

  /** '' where it is none. */
  get text(): string {
    return typeof this.value === 'string' ? this.value : ''
  }

  /** The last part of a `@type`, without version: `DownstreamTlsContext`. */
  get type(): string {
    return this.at('@type').text.split('.').at(-1) ?? ''
  }

  /** Seconds of a protobuf Duration; undefined where it is none. */
  get seconds(): number | undefined {
    const digits = /^(\d+(?:\.\d+)?)s$/.exec(this.text)?.[1]
    return digits === undefined ? undefined : Number(digits)
  }

  /** What it says, whatever the order of its keys. */
  get content(): string {
    return JSON.stringify(this.value, (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    )
  }

  #field(name: string): Place {
    const fields = typeof this.value === 'object' && this.value !== null ? this.value : {}
    const camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    const key = [name, camel].find((each) => Object.hasOwn(fields, each)) ?? name
    const step = /^[\w@]+$/.test(key) ? `.${key}` : `["${key}"]`
    const path = this.path === '' ? key : this.path + step
    return new Place((fields as Record<string, unknown>)[key], path)
  }
}
