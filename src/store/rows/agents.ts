import type { Insertable, SelectQueryBuilder } from 'kysely'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import { reading } from '../engine.ts'
import type { Database, Engine } from '../engine.ts'
import type { AttestedAgent } from '../model.ts'
import { pageOf, pageStart } from '../paging.ts'
import type { AgentFilter, AgentStore, Change } from '../port.ts'
import type { Write, Writer } from '../writer.ts'
import { checkText, read, written } from './body.ts'
import { replaceMembers, setCondition } from './members.ts'
import type { AgentTable, Tables } from './tables.ts'

const COLUMNS = ['id', 'body', 'crc'] as const
/** Agents of one transaction that prunes. */
const CHUNK = 100

export function createAgents(engine: Engine, writer: Writer): AgentStore {
  return {
    get: (id) => reading(engine, (db) => agentById(db, id)),
    async list(filter, page) {
      const { limit, after } = pageStart(page)
      return await reading(engine, async (db) => {
        const rows = await filtered(db, filter)
          .select(COLUMNS)
          .where('id', '>', after)
          .orderBy('id')
          .limit(limit + 1)
          .execute()
        return pageOf(rows, limit, { key: ({ id }) => id, value: agentOf })
      })
    },
    count: (filter) =>
      reading(engine, async (db) => {
        const { count } = await filtered(db, filter)
          .select((e) => e.fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow()
        return Number(count)
      }),
    change: (id, change) => writer.write((write) => changeAgent(write, id, change)),
    async prune({ expiredBefore, once }, tell) {
      for (let pruned = 0; ;) {
        const gone = await writer.write(async ({ db, changed }) => {
          let query = filtered(db, { expiresBefore: expiredBefore, banned: false }).select('id')
          if (!once) query = query.where('can_reattest', '=', 1)
          const rows = await query.orderBy('expires_at').orderBy('id').limit(CHUNK).execute()
          const ids = rows.map(({ id }) => id as SpiffeId)
          if (ids.length > 0) await db.deleteFrom('agents').where('id', 'in', ids).execute()
          for (const id of ids) changed('agent', id)
          return ids
        })
        tell?.(gone)
        pruned += gone.length
        if (gone.length < CHUNK) return pruned
      }
    },
  }
}

/** In the transaction of `write`. */
export async function changeAgent(
  { db, changed }: Write,
  id: SpiffeId,
  change: Change<AttestedAgent>,
): Promise<AttestedAgent | undefined> {
  const current = await agentById(db, id)
  const asked = change(current)
  if (asked === undefined) {
    if (current === undefined) return undefined
    await db.deleteFrom('agents').where('id', '=', id).execute()
    changed('agent', id)
    return undefined
  }
  const next = normal(asked)
  checkText(next.attestationType, 'the attestation type of an agent')
  const row = agentRow({ ...next, id })
  if (current !== undefined && row.body === written(current).body) return current
  const { id: _, ...rest } = row
  await db
    .insertInto('agents')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(rest))
    .execute()
  if (current?.selectors.join('\0') !== next.selectors.join('\0'))
    await replaceMembers(db, 'agent_selectors', [id, next.selectors])
  changed('agent', id)
  return { ...next, id }
}

async function agentById(db: Database, id: SpiffeId): Promise<AttestedAgent | undefined> {
  const row = await db.selectFrom('agents').select(COLUMNS).where('id', '=', id).executeTakeFirst()
  return row === undefined ? undefined : agentOf(row)
}

function filtered(db: Database, filter: AgentFilter): SelectQueryBuilder<Tables, 'agents', object> {
  const { attestationType, selectors, banned, canReattest, expiresBefore } = filter
  let query = db.selectFrom('agents')
  if (attestationType !== undefined) query = query.where('attestation_type', '=', attestationType)
  if (banned !== undefined) query = query.where('banned', '=', Number(banned))
  if (canReattest !== undefined) query = query.where('can_reattest', '=', Number(canReattest))
  if (expiresBefore !== undefined) query = query.where('expires_at', '<', expiresBefore)
  if (selectors !== undefined) {
    const row = { owner: 'agents.id', count: 'member_count' }
    query = query.where(setCondition('agent_selectors', row, selectors))
  }
  return query
}

/** Members in one order, so that equal agents have equal bodies. */
function normal(agent: AttestedAgent): AttestedAgent {
  const { pending } = agent
  return {
    id: agent.id,
    attestationType: agent.attestationType,
    serial: agent.serial,
    expiresAt: agent.expiresAt,
    ...(pending !== undefined && {
      pending: { serial: pending.serial, expiresAt: pending.expiresAt },
    }),
    canReattest: agent.canReattest,
    banned: agent.banned,
    version: agent.version,
    selectors: Array.from(new Set(agent.selectors)).sort(),
  }
}

export function agentRow(agent: AttestedAgent): Insertable<AgentTable> {
  return {
    id: agent.id,
    attestation_type: agent.attestationType,
    banned: Number(agent.banned),
    can_reattest: Number(agent.canReattest),
    expires_at: agent.expiresAt,
    member_count: agent.selectors.length,
    ...written(agent),
  }
}

export function agentOf(row: Pick<AgentTable, 'id' | 'body' | 'crc'>): AttestedAgent {
  return read(row, `agent ${row.id}`)
}
