import { EventEmitter } from 'node:events'
import type { Server, StatusObject } from '@grpc/grpc-js'

/** A call as a service sees it, made by hand; what is written leaves unless it is blocked. */
export class HandCall<Request, Response> extends EventEmitter {
  readonly request: Request
  readonly written: Response[] = []
  /** ms since the epoch */
  deadline: number = Infinity
  cancelled = false
  status: StatusObject | undefined
  ended = false
  paused = false
  blocked = false
  #unsent: (() => void)[] = []

  constructor(request: Request) {
    super()
    this.request = request
    this.on('error', (status: StatusObject) => (this.status = status))
  }

  write(response: Response, sent: () => void): boolean {
    this.written.push(response)
    this.#unsent.push(sent)
    if (!this.blocked) this.flush()
    return true
  }

  getDeadline(): number {
    return this.deadline
  }

  /** The client goes. */
  cancel(): void {
    this.cancelled = true
    this.emit('cancelled')
  }

  flush(): void {
    for (const sent of this.#unsent.splice(0)) sent()
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  end(): void {
    this.ended = true
  }
}

type Method = (call: unknown, done?: unknown) => void

/** The methods of a service by their path, such as `/grpc.health.v1.Health/Check`. */
export function methodsOf(service: { addTo(server: Server): void }): ReadonlyMap<string, Method> {
  const methods = new Map<string, Method>()
  const server = {
    addService(definition: Record<string, { path: string }>, added: Record<string, Method>) {
      for (const [name, { path }] of Object.entries(definition)) methods.set(path, added[name]!)
    },
  }
  service.addTo(server as unknown as Server)
  return methods
}
