/** The server of an agent that has one: whether it can be called, and what the agent has of it. */
import { timestampMs } from '@bufbuild/protobuf/wkt'
import type { ServerLink } from '#spindle/admin/v1/admin_pb.js'
import { isStandalone } from '../../config/agent-config.ts'
import { whyUnreached } from '../../os/host/port.ts'
import { span } from '../output.ts'
import type { Setting } from './setting.ts'
import type { Verdict } from './verdict.ts'
import { fail, ok, warn } from './verdict.ts'

const REACH_MS = 5_000

export async function serverVerdicts({
  config,
  running,
  clock,
}: Setting): Promise<readonly Verdict[]> {
  if (config === undefined || isStandalone(config)) return []
  const { address } = config.authority
  const about = { check: 'server', where: `${address.host}:${address.port}` }
  const why = await whyUnreached(address, { clock, deadlineMs: REACH_MS })
  const reached =
    why === undefined
      ? ok(about, 'answers from here')
      : fail(about, `cannot be reached: ${why}`, 'See that it runs, and what is between.')
  const link = running?.status.server
  return link === undefined ? [reached] : [reached, ...linkVerdicts(link, clock.now())]
}

function linkVerdicts(link: ServerLink, now: number): readonly Verdict[] {
  const { agentId, svidExpiresAt, bootstrap, cache } = link
  const verdicts: Verdict[] = []
  const node = { check: 'node' }
  if (svidExpiresAt === undefined)
    verdicts.push(
      fail(
        node,
        `is not attested${link.fault && `: ${link.fault.replace(/^the agent is not attested: /, '')}`}`,
        'See the log of the agent.',
      ),
    )
  else {
    const left = timestampMs(svidExpiresAt) - now
    const told = `${agentId}, whose X.509-SVID`
    verdicts.push(
      left > 0
        ? ok(node, `${told} ends in ${span(left)}`)
        : fail(node, `${told} has expired: the node attests anew`, 'See the log of the agent.'),
    )
  }
  if (bootstrap === 'unverified')
    verdicts.push(
      warn(
        { check: 'bootstrap' },
        'the server is trusted because it was the first to be seen',
        'Compare the authorities of `spindle ca bundles` here with those of `spindle bundle show` on the server, and configure trustBundleFile.',
      ),
    )
  if (cache !== 'kept' && cache !== 'off')
    verdicts.push(
      warn({ check: 'cache' }, cache, 'Until then a restart has nothing to go on with.'),
    )
  return verdicts
}
