import type { Identities } from '../../src/agent/obtain/identities.ts'
import type { Identity } from '../../src/agent/obtain/identity.ts'
import type { Entry } from '../../src/registration/entry.ts'

/** Identities that are what a test says they are, and how often each entry's is in use. */
export interface FakeIdentities extends Identities {
  /** An entry's certificate is `label` from now on, until `notAfter` (ms since the epoch); undefined: it has none. */
  set(entry: Entry, label: string | undefined, notAfter?: number): void
  /** Why an entry's certificate could not be issued. */
  fail(entry: Entry, fault: string): void
  leasesOf(entry: Entry): number
}

export function createFakeIdentities(): FakeIdentities {
  const identities = new Map<string, Identity>()
  const faults = new Map<string, string>()
  const leases = new Map<string, number>()
  const listeners = new Set<(entryId: string) => void>()
  const tell = (entryId: string): void => {
    for (const listen of listeners) listen(entryId)
  }
  const reading = (id: string) => ({ current: identities.get(id), fault: faults.get(id) })
  return {
    acquire(entry) {
      leases.set(entry.id, (leases.get(entry.id) ?? 0) + 1)
      let released = false
      return {
        get current() {
          return identities.get(entry.id)
        },
        get fault() {
          return faults.get(entry.id)
        },
        release() {
          if (!released) leases.set(entry.id, (leases.get(entry.id) ?? 0) - 1)
          released = true
        },
      }
    },
    find: (entryId) => ({ ...reading(entryId), retryAt: undefined }),
    current: () => Array.from(identities.values()),
    missing: () => 0,
    expired: () => 0,
    onChange(listen) {
      const own = (entryId: string): void => listen(entryId)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    renewAll: async () => 0,
    close: () => undefined,
    set(entry, label, notAfter = 2 ** 45) {
      if (label === undefined) identities.delete(entry.id)
      else identities.set(entry.id, identityOf(entry, label, notAfter))
      tell(entry.id)
    },
    fail(entry, fault) {
      faults.set(entry.id, fault)
      tell(entry.id)
    },
    leasesOf: ({ id }) => leases.get(id) ?? 0,
  }
}

export function identityOf(entry: Entry, label: string, notAfter: number): Identity {
  const svid = {
    chain: [Buffer.from(`chain ${label}`)],
    notBefore: 0,
    notAfter,
    issuedAt: 0,
    authorityId: 'a',
  }
  const pkcs8 = Buffer.from(`key ${label}`)
  return { entry, svid, pkcs8, renewAt: notAfter / 2 }
}
