import { Health, HealthCheckResponse_ServingStatus as Serving } from '#grpc/health/v1/health_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Io } from '../../io.ts'
import { CommandFailed } from '../../io.ts'
import { CALL_DEADLINE_MS } from '../../options.ts'
import { renderPlain } from '../../output.ts'
import { withServer } from '../ask.ts'
import type { HealthOptions } from '../given.ts'

/** @throws CommandFailed 3 */
export async function checkHealth(io: Io, options: HealthOptions): Promise<void> {
  const { verbose = false, output } = options
  if (verbose) io.err('Checking server health...\n')
  const fault = await faultOf(options)
  if (output !== 'table') {
    const status = fault === undefined ? 'healthy' : 'unhealthy'
    io.out(renderPlain(output, { status, ...(fault !== undefined && { reason: fault }) }))
  } else if (fault === undefined) io.out('Server is healthy.\n')
  if (fault !== undefined) throw new CommandFailed(3, `Server is unhealthy: ${fault}`)
}

async function faultOf(options: HealthOptions): Promise<string | undefined> {
  try {
    const { status } = await withServer(
      options,
      (server) => server.call(Health.method.check, {}),
      CALL_DEADLINE_MS,
    )
    return status === Serving.SERVING ? undefined : `server returned status "${Serving[status]}"`
  } catch (thrown) {
    if (thrown instanceof SpindleError) return thrown.message
    throw thrown
  }
}
