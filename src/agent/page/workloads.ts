import type { Workload as WorkloadMessage } from '#spindle/admin/v1/admin_pb.js'
import type { PageWorkload } from '../../http/page-state.ts'
import { nextTurn } from '../../runtime/slices.ts'
import { describeWorkload } from '../serve/admin/workloads.ts'
import type { Workload } from '../serve/workload/service.ts'
import { given, instant } from './fields.ts'

/** Connections that are described in one turn of the event loop: pushes go before looks. */
const WORKLOADS_A_TURN = 100

/** Connections on which the Workload API was called, as the status page is told them. */
export async function describeWorkloads({
  uses,
}: Pick<Workload, 'uses'>): Promise<readonly PageWorkload[]> {
  const workloads: PageWorkload[] = []
  for (const [caller, ofCaller] of uses) {
    workloads.push(pageWorkload(describeWorkload(caller, ofCaller)))
    if (workloads.length % WORKLOADS_A_TURN === 0) await nextTurn()
  }
  return workloads
}

function pageWorkload(workload: WorkloadMessage): PageWorkload {
  return {
    id: workload.connectionId,
    pid: workload.pid,
    uid: workload.uid,
    path: workload.executable,
    connectedAt: instant(workload.connectedAt) ?? 0,
    spiffeIds: workload.spiffeIds,
    uses: workload.uses.map(({ method, state, version, answers, ...use }) => ({
      method,
      state,
      version,
      answers,
      ...given('sentAt', instant(use.sentAt)),
      ...given('expiresAt', instant(use.expiresAt)),
      ...given('why', use.why),
    })),
  }
}
