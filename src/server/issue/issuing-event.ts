import type { AuthorityEvent } from '../../authority/authority.ts'
import type { Log } from '../../telemetry/log.ts'
import type { ServerSvidEvent } from './server-svid.ts'

/** What happened, for the metrics; the log has it already. */
export type IssuingEvent =
  | { readonly of: 'x509' | 'jwt'; readonly event: AuthorityEvent }
  | { readonly of: 'svid'; readonly event: ServerSvidEvent }
  | { readonly of: 'publication' | 'above'; readonly fault: string | undefined }

export function tellIssuing(log: Log, told: IssuingEvent): void {
  switch (told.of) {
    case 'x509':
      return tellAuthority(log, told.event, 'X.509 authority')
    case 'jwt':
      return tellAuthority(log, told.event, 'JWT authority')
    case 'svid':
      return tellSvid(log, told.event)
    case 'above':
      if (told.fault === undefined) return log.info({}, 'the server above answers again')
      return log.error({ fault: told.fault }, 'the server above could not be asked')
    case 'publication':
      if (told.fault === undefined) log.info({}, 'own bundle: the store has it again')
      else log.error({ fault: told.fault }, 'own bundle: the store could not be brought up to date')
  }
}

function tellAuthority(log: Log, event: AuthorityEvent, name: string): void {
  const { kind, ...fields } = event
  switch (kind) {
    case 'issued':
      return
    case 'failed':
    case 'unsaved':
    case 'reload_failed':
    case 'state_set_aside':
      return log.error({ event: kind, ...fields }, name)
    case 'tainted':
    case 'revoked':
      return log.warn({ event: kind, ...fields }, name)
    case 'prepared':
    case 'activated':
    case 'pruned':
    case 'reloaded':
      log.info({ event: kind, ...fields }, name)
  }
}

function tellSvid(log: Log, { kind, ...fields }: ServerSvidEvent): void {
  if (kind === 'failed') log.error({ event: kind, ...fields }, "the server's X.509-SVID")
  else log.info({ event: kind, ...fields }, "the server's X.509-SVID")
}
