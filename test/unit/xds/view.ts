import type { Resource, View } from '../../../src/xds/resource.ts'
import type { StreamContext } from '../../../src/xds/stream.ts'

export function resource(name: string, version: string, kind: Resource['kind'] = 'svid'): Resource {
  return { name, version, kind, bytes: new Uint8Array() }
}

/** A view in which each name has a version, or is 'pending'; any other name is absent. */
export function viewOf(
  versions: Readonly<Record<string, string>>,
  quarantined: readonly string[] = [],
): View {
  return {
    all: Object.keys(versions),
    quarantined: (version) => quarantined.includes(version),
    resolve: (name) => {
      const version = versions[name]
      if (version === undefined) return { state: 'absent', why: 'not granted' }
      if (version === 'pending') return { state: 'pending', why: 'not attested yet' }
      const kind = name === 'ROOTCA' ? 'bundle' : 'svid'
      return { state: 'present', resource: resource(name, version, kind) }
    },
  }
}

/** A context whose nonces are n1, n2, … and whose view can be exchanged. */
export function contextOf(view: View, namesPerStream = 100): StreamContext & { view: View } {
  let count = 0
  return { view, nonce: () => `n${++count}`, limits: { namesPerStream } }
}
