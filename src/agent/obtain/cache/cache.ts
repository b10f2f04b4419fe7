/**
 * What an agent with a server keeps across restarts, sealed: what its link needs (own SVID and key, entries, bundles), and the
 * identities with their keys. The seal protects copies of the files, not against who may read the key beside them.
 */
import { join } from 'node:path'
import { parseCertificate } from '../../../certs/parse.ts'
import type { OwnStateFile } from '../../../os/state-file.ts'
import type { Entry } from '../../../registration/entry.ts'
import type { Registry } from '../../../registration/match.ts'
import { lineOf } from '../../../registration/served-entry.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { messageOf } from '../../../runtime/errors.ts'
import type { Feed } from '../../../runtime/feed.ts'
import type { Random } from '../../../runtime/random.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Identities } from '../identities.ts'
import type { KeptIdentity } from '../identity.ts'
import type { LinkMemory } from '../server/link.ts'
import { createPause } from '../server/pause.ts'
import type { Saver } from './saver.ts'
import { createSaver } from './saver.ts'
import { KEY_BYTES, seal, unseal } from './seal.ts'

export interface Cache {
  /** Of the link of the process before this one; undefined: there is none that can be used. */
  readonly memory: LinkMemory | undefined
  /** Kept at once, where that can be; resolves when the next may be. */
  remember(memory: LinkMemory): Promise<void>
  /** What is kept of an entry's identity; nothing that has expired. */
  kept(entry: Entry): KeptIdentity | undefined
  /** Keeps the identities, as they change, of entries that are served. */
  follow(identities: Identities, registry: Feed<Registry | undefined>): void
  /** Why what there is now is not kept; undefined: it is, or nothing is to be. */
  readonly fault: string | undefined
  /** Writes what is not written yet; what is to be remembered after that is written at once. */
  close(): Promise<void>
}

/** Holds no key. */
export type CacheEvent =
  | { readonly kind: 'unsaved'; readonly file: string; readonly message: string }
  | { readonly kind: 'saved_again'; readonly file: string }
  /** `todo`: what an operator has to do, and what comes back by itself. */
  | {
      readonly kind: 'set_aside'
      readonly file: string
      readonly movedTo: string
      readonly reason: string
      readonly todo: string
    }

export interface CacheOptions {
  readonly trustDomain: TrustDomain
  /** Of the key and of what the link needs. */
  readonly stateDir: string
  /** Of the identities. */
  readonly folder: string
  /** What has to be done for the node to attest anew: a sentence, or more. */
  readonly rejoin: string
  readonly open: (path: string) => OwnStateFile
  readonly clock: Clock
  readonly random: Random
  readonly onEvent: (event: CacheEvent) => void
}

export const KEY_FILE = 'cache.key'
export const NODE_FILE = 'node.sealed'
export const IDENTITIES_FILE = 'identities.sealed'

/** Of what is sealed. Another one is not read. */
const FORMAT = 1

interface Kept extends KeptIdentity {
  readonly line: string
}

export async function openCache(options: CacheOptions): Promise<Cache> {
  const { clock } = options
  const key = await openKey(options)
  const node = sealedFile<LinkMemory | undefined>(options, key, {
    path: join(options.stateDir, NODE_FILE),
    todo: `${options.rejoin} To go back to a copy instead, stop the agent, put the copies of ${NODE_FILE} and ${KEY_FILE} back together, and start it.`,
    content: () => latest,
  })
  const identitiesFile = sealedFile<readonly Kept[]>(options, key, {
    path: join(options.folder, IDENTITIES_FILE),
    todo: 'Nothing is to be done: the identities are signed anew once the server is reached; until then they are not served.',
    content: () => toKeep(),
  })
  let latest = inForce(node.load(), clock.now())
  const left = new Map<string, Kept>()
  for (const one of identitiesFile.load() ?? [])
    if (isInForce(one, clock.now())) left.set(one.line, one)

  let following: { identities: Identities; registry: Feed<Registry | undefined> } | undefined
  const unsubscribes: (() => void)[] = []
  let ended = false
  const pause = createPause(clock)
  const toKeep = (): readonly Kept[] => {
    const entries = following?.registry.current?.entries
    const served = entries && new Set(entries.map(lineOf))
    const byLine = new Map(left)
    for (const { entry, svid, pkcs8, renewAt } of following?.identities.current() ?? []) {
      const line = lineOf(entry)
      if (line !== undefined) byLine.set(line, { line, svid, pkcs8, renewAt })
    }
    const now = clock.now()
    for (const one of left.values()) if (!isInForce(one, now)) left.delete(one.line)
    return [...byLine.values()].filter(
      (one) => isInForce(one, now) && (served === undefined || served.has(one.line)),
    )
  }
  return {
    memory: latest,
    async remember(memory) {
      latest = memory
      node.saver.changed()
      await node.saver.flush()
      // Whoever waits for this has the newest to be kept next.
      if (!ended) await pause.wait(node.saver.pauseMs)
    },
    kept(entry) {
      const line = lineOf(entry)
      const one = line === undefined ? undefined : left.get(line)
      return one !== undefined && isInForce(one, clock.now()) ? one : undefined
    },
    follow(identities, registry) {
      following = { identities, registry }
      unsubscribes.push(
        identities.onChange(() => identitiesFile.saver.changed()),
        registry.subscribe(() => identitiesFile.saver.changed()),
      )
    },
    get fault() {
      return node.fault ?? identitiesFile.fault
    },
    async close() {
      ended = true
      pause.close()
      for (const unsubscribe of unsubscribes) unsubscribe()
      await Promise.all([node.saver.flush(), identitiesFile.saver.flush()])
      node.saver.close()
      identitiesFile.saver.close()
    },
  }
}

/** An SVID of the node that has expired proves nothing any more; what was served with it is still known. */
function inForce(memory: LinkMemory | undefined, now: number): LinkMemory | undefined {
  const leaf = memory?.svid?.chain[0]
  if (memory === undefined || leaf === undefined) return memory
  const { notAfter } = parseCertificate(leaf, "the node's X.509-SVID")
  return now < notAfter ? memory : { ...memory, svid: undefined }
}

const isInForce = ({ svid }: KeptIdentity, now: number): boolean =>
  svid.notBefore <= now && now < svid.notAfter

interface SealedFile<T> {
  readonly saver: Saver
  readonly fault: string | undefined
  /** undefined: there is none, or it was set aside. */
  load(): T | undefined
}

function sealedFile<T>(
  options: CacheOptions,
  key: Buffer,
  about: { readonly path: string; readonly todo: string; readonly content: () => T },
): SealedFile<T> {
  const { clock, random, onEvent, trustDomain } = options
  const { path, todo, content } = about
  const file = options.open(path)
  const name = path.slice(path.lastIndexOf('/') + 1)
  let fault: string | undefined
  const saver = createSaver({
    file,
    text: () => seal({ format: FORMAT, trustDomain, content: content() }, { key, name, random }),
    clock,
    random,
    onSaved(message) {
      if (message === undefined && fault !== undefined) onEvent({ kind: 'saved_again', file: path })
      fault = message === undefined ? undefined : `${path} cannot be written: ${message}`
      if (message !== undefined) onEvent({ kind: 'unsaved', file: path, message })
    },
  })
  return {
    saver,
    get fault() {
      return fault
    },
    load() {
      try {
        const text = file.read()
        if (text === undefined) return undefined
        const read = unseal(text, { key, name }) as {
          readonly format: number
          readonly trustDomain: TrustDomain
          readonly content: T
        }
        if (read.format !== FORMAT) throw new Error('another version of Spindle wrote it')
        if (read.trustDomain !== trustDomain) throw new Error(`it is of ${read.trustDomain}`)
        return read.content
      } catch (thrown) {
        setAside(file, { path, reason: messageOf(thrown), todo, onEvent })
        return undefined
      }
    },
  }
}

function setAside(
  file: OwnStateFile,
  about: { readonly path: string; readonly reason: string; readonly todo: string } & Pick<
    CacheOptions,
    'onEvent'
  >,
): void {
  const { path, reason, todo, onEvent } = about
  try {
    onEvent({ kind: 'set_aside', file: path, movedTo: file.quarantine(), reason, todo })
  } catch (thrown) {
    // It is written over: what cannot be used is not worth not starting.
    onEvent({ kind: 'unsaved', file: path, message: `${reason}; ${messageOf(thrown)}` })
  }
}

/** One for both files; a new one where there is none, or none that can be used. */
async function openKey({ stateDir, open, random, onEvent }: CacheOptions): Promise<Buffer> {
  const path = join(stateDir, KEY_FILE)
  const file = open(path)
  try {
    const text = file.read()
    if (text !== undefined) {
      const key = Buffer.from(text, 'base64')
      if (key.length === KEY_BYTES && `${key.toString('base64')}\n` === text) return key
      throw new Error('it is not what was written')
    }
  } catch (thrown) {
    const todo = 'What it sealed is of no use without it, and is set aside too.'
    setAside(file, { path, reason: messageOf(thrown), todo, onEvent })
  }
  const key = random.bytes(KEY_BYTES)
  try {
    await file.write(`${key.toString('base64')}\n`)
  } catch (thrown) {
    onEvent({ kind: 'unsaved', file: path, message: messageOf(thrown) })
  }
  return key
}
