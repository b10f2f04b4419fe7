import type { Feed } from '../../../runtime/feed.ts'
import type { Cache } from '../cache/cache.ts'
import type { LinkState } from '../server/link.ts'

/** What an agent with a server can say of that. */
export interface ServerView {
  /** `host:port` */
  readonly address: string
  readonly state: Feed<LinkState>
  /** undefined: nothing is kept, as the configuration says; else why what there is now is not, where it is not. */
  readonly cache: Pick<Cache, 'fault'> | undefined
}
