/** What agents said of themselves to the server they hold a stream to: rows of that server, which the others read when they ask. */
import { reading } from './engine.ts'
import type { Database, Engine } from './engine.ts'
import type { AgentReport } from './model.ts'
import { pageOf, pageStart } from './paging.ts'
import type { ReportStore } from './port.ts'
import { read, written } from './rows/body.ts'
import type { Writer } from './writer.ts'

const ROWS_A_STATEMENT = 200

export function createReports(engine: Engine, writer: Writer): ReportStore {
  return {
    async ofOthers(serverId, page) {
      const { limit, after } = pageStart(page)
      const [agent = '', server = ''] = after.split(' ')
      return await reading(engine, async (db) => {
        const rows = await db
          .selectFrom('agent_reports')
          .selectAll()
          .where('server', '!=', serverId)
          .where((e) =>
            e.or([
              e('agent', '>', agent),
              e.and([e('agent', '=', agent), e('server', '>', server)]),
            ]),
          )
          .orderBy('agent')
          .orderBy('server')
          .limit(limit + 1)
          .execute()
        return pageOf(rows, limit, {
          key: (row) => `${row.agent} ${row.server}`,
          value: (row): AgentReport => read(row, `what ${row.agent} said`),
        })
      })
    },
    put: (serverId, reports) =>
      // Nobody is woken by it: a rotation, which is rare, asks.
      writer.write(async ({ db }) => {
        const agents = Array.from(reports.keys())
        for (let at = 0; at < agents.length; at += ROWS_A_STATEMENT) {
          const some = agents.slice(at, at + ROWS_A_STATEMENT)
          await db
            .deleteFrom('agent_reports')
            .where('server', '=', serverId)
            .where('agent', 'in', some)
            .execute()
          const rows = (await attested(db, some)).flatMap((agent) => {
            const report = reports.get(agent)
            if (report === undefined) return []
            return [{ server: serverId, agent, ...written(normal({ ...report, serverId, agent })) }]
          })
          if (rows.length > 0) await db.insertInto('agent_reports').values(rows).execute()
        }
      }),
    clear: (serverIds) =>
      writer.write(async ({ db }) => {
        if (serverIds.length > 0)
          await db.deleteFrom('agent_reports').where('server', 'in', serverIds).execute()
      }),
  }
}

/** With an agent goes what it said. */
async function attested(
  db: Database,
  agents: readonly AgentReport['agent'][],
): Promise<readonly AgentReport['agent'][]> {
  const rows = await db.selectFrom('agents').select('id').where('id', 'in', agents).execute()
  const there = new Set<string>(rows.map(({ id }) => id))
  return agents.filter((agent) => there.has(agent))
}

function normal({ serverId, agent, sequence, x509, jwt, more }: AgentReport): AgentReport {
  return { serverId, agent, ...(sequence !== undefined && { sequence }), x509, jwt, more }
}
