/** The timeline as Server-Sent Events (HTML 9.2): few clients, each with a bounded queue, and none that does not read. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Timeline, TimelineEvent } from '../telemetry/timeline.ts'

export interface EventStreams {
  /** False where there is no room for one more. */
  readonly hasRoom: boolean
  /** Begins with the events after `lastId` and goes on until either side ends. `headers` go out before them. */
  open(response: ServerResponse, headers: OutgoingHttpHeaders, lastId: number): void
}

const MOST_CLIENTS = 8
/** More than the whole timeline takes, however long its texts are. */
const MOST_QUEUED_BYTES = 2 ** 21
/** Shorter than the idle time after which the server hangs up. */
const HEARTBEAT_MS = 5_000
/** How long a browser waits before it comes back. */
const RETRY_MS = 2_000

export function createEventStreams({
  timeline,
  clock,
}: {
  readonly timeline: Pick<Timeline, 'since' | 'subscribe'>
  readonly clock: Clock
}): EventStreams {
  const clients = new Set<Client>()
  let unsubscribe: (() => void) | undefined
  let timer: Timer | undefined

  const beat = (): void => {
    for (const client of clients) client.beat()
    timer = clients.size > 0 ? clock.after(HEARTBEAT_MS, beat) : undefined
  }
  const left = (client: Client): void => {
    clients.delete(client)
    if (clients.size > 0) return
    unsubscribe?.()
    timer?.cancel()
    unsubscribe = timer = undefined
  }
  return {
    get hasRoom() {
      return clients.size < MOST_CLIENTS
    },
    open(response, headers, lastId) {
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8' })
      const client = new Client(response)
      response.on('close', () => left(client))
      // A client that resets is gone, which is no fault of the agent's.
      response.on('error', () => left(client))
      clients.add(client)
      client.send(`retry: ${RETRY_MS}\n\n${eventText(timeline.since(lastId))}`)
      unsubscribe ??= timeline.subscribe((events) => {
        const text = eventText(events)
        for (const one of clients) one.send(text)
      })
      timer ??= clock.after(HEARTBEAT_MS, beat)
    },
  }
}

class Client {
  readonly #response: ServerResponse
  #behind = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  send(text: string): void {
    if (text === '') return
    this.#response.write(text)
    if (this.#response.writableLength > MOST_QUEUED_BYTES) this.#response.destroy()
  }

  /** What was queued at the last beat and still is belongs to a client that does not read. */
  beat(): void {
    const isBehind = this.#response.writableLength > 0
    if (isBehind && this.#behind) {
      this.#response.destroy()
      return
    }
    this.#behind = isBehind
    this.#response.write(':\n\n')
  }
}

/** JSON has no line break of its own, so an event is one line of data. */
function eventText(events: readonly TimelineEvent[]): string {
  return events.map((event) => `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`).join('')
}
