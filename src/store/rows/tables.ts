/*
 * The tables, alike on both engines: texts are compared byte by byte, truth is 0 or 1, instants are ms. `body` holds a value
 * as JSON, and the other columns are what it is looked up by. `crc` is the body's CRC-32, for neither engine sees a flipped
 * bit in a value.
 */

export interface MetaTable {
  /** 1: there is one row. */
  readonly id: number
  readonly schema_version: number
  readonly lineage: string
  /** Of the last change. Whoever changes something holds this row until the commit. */
  readonly revision: number
  /** Changes up to this revision may have been forgotten. */
  readonly floor: number
  /** Of the others. */
  readonly crc: number
}

export interface BodyColumns {
  readonly body: string
  readonly crc: number
}

export interface EntryTable extends BodyColumns {
  readonly id: string
  readonly spiffe_id: string
  readonly parent_id: string
  /** Digest of SPIFFE ID, parent and selectors: no two entries have the same. */
  readonly likeness: string
  readonly hint: string
  readonly downstream: number
  readonly expires_at: number | null
  readonly member_count: number
  readonly federation_count: number
}

export interface AgentTable extends BodyColumns {
  readonly id: string
  readonly attestation_type: string
  readonly banned: number
  readonly can_reattest: number
  readonly expires_at: number
  readonly member_count: number
}

/** A set of which `owner` is whose, by digests of its members: a selector is longer than an index of PostgreSQL takes. */
export interface MemberTable {
  readonly owner: string
  readonly member: string
}

/** Values that are looked up by key alone. */
export interface RecordTable extends BodyColumns {
  readonly kind: string
  readonly key: string
  readonly expires_at: number | null
}

/** What an agent said to a server. */
export interface ReportTable extends BodyColumns {
  readonly server: string
  readonly agent: string
}

/** The last change of each key. */
export interface ChangeTable {
  readonly revision: number
  readonly kind: string
  readonly key: string
  readonly at: number
}

export interface Tables {
  readonly meta: MetaTable
  readonly entries: EntryTable
  readonly entry_selectors: MemberTable
  readonly entry_federation: MemberTable
  readonly agents: AgentTable
  readonly agent_selectors: MemberTable
  readonly records: RecordTable
  readonly agent_reports: ReportTable
  readonly changes: ChangeTable
}
