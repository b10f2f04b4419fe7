import { SpindleError } from '../../../runtime/errors.ts'
import { nextTurn } from '../../../runtime/slices.ts'

/** As a request of SPIRE's API has it. */
export interface PageAsked {
  /** 0: all that is left. */
  readonly pageSize: number
  /** `next_page_token` of the page before, '' for the first. */
  readonly pageToken: string
}

export interface PageAnswer<T> {
  readonly items: readonly T[]
  /** '' at the last page. */
  readonly nextPageToken: string
}

/** A page as the store reads it, `most` items at most; its token is given out as it is. */
export interface PageSource<T> {
  readonly most: number
  readonly read: (page: {
    readonly limit: number
    readonly token?: string
  }) => Promise<{ readonly items: readonly T[]; readonly next?: string }>
}

/**
 * A page of a list call. A size beyond what is read at once is cut to that, as the API allows: the token says that there is more.
 * Size 0 is answered with all, read page by page, for clients that do not know of tokens.
 * @throws SpindleError `request_invalid` for a size below 0; for a token, what `read` says
 */
export async function answerPage<T>(
  { pageSize, pageToken }: PageAsked,
  { most, read }: PageSource<T>,
): Promise<PageAnswer<T>> {
  if (pageSize < 0) throw new SpindleError('request_invalid', 'page_size is below 0')
  const from = (token: string | undefined) => (token === undefined ? {} : { token })
  let page = await read({
    limit: pageSize === 0 ? most : Math.min(pageSize, most),
    ...from(pageToken === '' ? undefined : pageToken),
  })
  if (pageSize > 0) return { items: page.items, nextPageToken: page.next ?? '' }
  const items = [...page.items]
  while (page.next !== undefined) {
    await nextTurn()
    page = await read({ limit: most, ...from(page.next) })
    items.push(...page.items)
  }
  return { items, nextPageToken: '' }
}
