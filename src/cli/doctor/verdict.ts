export type Level = 'ok' | 'warn' | 'fail'

/** What one check found. */
export interface Verdict {
  /** `kernel`, `entries`, `envoy: backoff` */
  readonly check: string
  readonly level: Level
  /** Where: a file, a socket, a path in a configuration; '' where that goes without saying. */
  readonly where: string
  readonly detail: string
  /** '' where nothing is to be done. */
  readonly todo: string
}

type About = Pick<Verdict, 'check'> & Partial<Pick<Verdict, 'where'>>

export function ok(about: About, detail: string): Verdict {
  return { where: '', ...about, level: 'ok', detail, todo: '' }
}

export function warn(about: About, detail: string, todo: string): Verdict {
  return { where: '', ...about, level: 'warn', detail, todo }
}

export function fail(about: About, detail: string, todo: string): Verdict {
  return { where: '', ...about, level: 'fail', detail, todo }
}
