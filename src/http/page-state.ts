/**
 * What `/api/state` answers with, as JSON. Keys are only ever added. Instants are ms since the epoch; a key is left out where
 * there is nothing to say. No key material, and no text of a client's that was not checked for it.
 */
export interface PageState {
  /** When this was described. */
  readonly at: number
  readonly agent: {
    readonly version: string
    readonly trustDomain: string
    readonly pid: number
    readonly startedAt: number
    readonly socket: string
    readonly connections: number
    readonly streams: number
    readonly workloadStreams: number
    /** How callers are known: `peer-pidfd` unless the kernel is old. */
    readonly peerCredentials: string
  }
  /** Connections with at least one open stream. */
  readonly sidecars: readonly PageSidecar[]
  /** Connections on which the Workload API was called. */
  readonly workloads: readonly PageWorkload[]
  /** Oldest first, at most 5,000; `entryCount` counts all. */
  readonly entries: readonly PageEntry[]
  readonly entryCount: number
  /** False where there are too many callers and entries to tell everyone who is `near`. */
  readonly nearComplete: boolean
  readonly authority: {
    readonly kind: string
    readonly slots: readonly PageSlot[]
    /** Keys for JWT-SVIDs. */
    readonly jwtSlots: readonly PageSlot[]
    /** Why it cannot sign or rotate just now. */
    readonly fault?: string
    readonly jwtFault?: string
  }
  readonly bundles: readonly PageBundle[]
  readonly sources: readonly PageSource[]
  /** NACKs since the start by class; classes that did not occur are left out. */
  readonly nacks: Readonly<Record<string, number>>
}

export interface PageSidecar {
  /** Of the connection; names it in `usedBy` and `near`. */
  readonly id: string
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** Of the executable, as /proc reads. */
  readonly path: string
  /** As the client says; so are the two below. */
  readonly nodeId: string
  readonly cluster: string
  /** Such as `1.40.0`; '' where it does not say. */
  readonly envoyVersion: string
  readonly connectedAt: number
  readonly spiffeIds: readonly string[]
  readonly secrets: readonly PageSecret[]
}

export interface PageWorkload {
  /** Of the connection; names it in `usedBy` and `near`. */
  readonly id: string
  readonly pid: number
  readonly uid: number
  readonly path: string
  readonly connectedAt: number
  readonly spiffeIds: readonly string[]
  readonly uses: readonly PageWorkloadUse[]
}

/** An open stream, or what became of the calls of a method. */
export interface PageWorkloadUse {
  readonly method: string
  /** Of a stream `pending`, `sent` or `behind`; else of the last call `answered`, `refused` or `closed`. */
  readonly state: string
  /** Digest of the message last sent; '' for none. */
  readonly version: string
  readonly answers: number
  readonly sentAt?: number
  readonly expiresAt?: number
  readonly why?: string
}

/** One name on one stream. */
export interface PageSecret {
  readonly name: string
  /** `svid`, `bundle`, or '' while it is not known. */
  readonly kind: string
  /** `waiting`, `pending`, `sent`, `acknowledged`, `rejected`, `unanswered` or `revoked`. */
  readonly state: string
  /** `sotw` or `delta`. */
  readonly variant: string
  /** Digest of the content last sent, and of that last acknowledged; '' for none. */
  readonly version: string
  readonly acknowledgedVersion: string
  readonly sentAt?: number
  readonly expiresAt?: number
  /** Class of the last rejection. */
  readonly rejection?: string
  /** Why it is waiting, pending or revoked. */
  readonly why?: string
}

export interface PageEntry {
  readonly id: string
  readonly spiffeId: string
  readonly selectors: readonly string[]
  readonly hint: string
  readonly default: boolean
  readonly federatesWith: readonly string[]
  /** Of the X.509-SVID that is held for it just now. */
  readonly issuedAt?: number
  readonly renewsAt?: number
  readonly expiresAt?: number
  /** Why there is none, or no newer one. */
  readonly fault?: string
  /** Ids of sidecars and workloads, at most 100; `users` counts all. */
  readonly usedBy: readonly string[]
  readonly users: number
  /**
   * Sidecars and workloads that lack some of its selectors, nearest first, at most 3: those that match no entry, and where nobody
   * uses this one, any.
   */
  readonly near: readonly { readonly sidecar: string; readonly missing: readonly string[] }[]
}

export interface PageSlot {
  readonly authorityId: string
  /** `prepared`, `active`, `old` or `tainted`. */
  readonly status: string
  readonly notBefore: number
  readonly notAfter: number
  readonly activatesAt?: number
}

export interface PageBundle {
  readonly trustDomain: string
  readonly own: boolean
  readonly certificates: readonly {
    readonly subject: string
    readonly subjectKeyId: string
    readonly notAfter: number
  }[]
  readonly fault?: string
}

export interface PageSource {
  /** `entries`, `bundle partner.test`, `authority`. */
  readonly name: string
  readonly file: string
  readonly loadedAt: number
  /** Why the file as it stands is not in use. */
  readonly fault?: string
}
