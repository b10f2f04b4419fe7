import { codeOf } from '../../runtime/errors.ts'
import type { ServerMetrics } from '../../telemetry/server/metrics.ts'
import type { Issuing } from '../issue/issuing.ts'

const SIGNING: ReadonlySet<unknown> = new Set(['issue', 'issueCa'])

/** The same authorities, of which each signature that could not be made is counted. */
export function measuredIssuing(
  issuing: Issuing,
  { issueFailures }: Pick<ServerMetrics, 'issueFailures'>,
): Issuing {
  const measured = <T extends object>(kind: 'x509' | 'jwt', authority: T): T =>
    new Proxy(authority, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        return (...args: readonly unknown[]): unknown => {
          const answer: unknown = Reflect.apply(value, target, args)
          if (SIGNING.has(name) && answer instanceof Promise)
            answer.catch((thrown: unknown) => {
              // What was asked wrongly says nothing about the authority.
              if (codeOf(thrown) !== 'request_invalid') issueFailures.inc({ kind })
            })
          return answer
        }
      },
    })
  const { x509, jwt } = issuing
  return { ...issuing, x509: measured('x509', x509), jwt: measured('jwt', jwt) }
}
