/**
 * Resume tokens. A token tells what its bearer has by digests: of all of it, so that nothing need be said where nothing has
 * changed, whenever and wherever it was given out; and of the names alone, so that from a log of changes, which tells names, it
 * can be known what the bearer lacks. Where it cannot be known the round is full. It holds no secret, and whoever makes one up is
 * sent a round of what is its own.
 */
import { hash } from 'node:crypto'
import type { StoredBundle } from '../../store/model.ts'
import type { Position } from '../../store/port.ts'
import { fullRound } from './round.ts'
import type { Holding, Round } from './round.ts'

export interface Token {
  readonly lineage: Buffer
  readonly revision: number
  readonly content: Buffer
  readonly entryIds: Buffer
  readonly bundleNames: Buffer
}

/** Names that have changed since the state of a token. */
export interface ChangedNames {
  readonly entries: ReadonlySet<string>
  readonly bundles: ReadonlySet<string>
  /** The revision of the last change that was looked at. */
  readonly upTo: number
}

const FORMAT = 1
const LINEAGE_BYTES = 8
const REVISION_BYTES = 6
const DIGEST_BYTES = 16
const TOKEN_BYTES = 1 + LINEAGE_BYTES + REVISION_BYTES + 3 * DIGEST_BYTES

/** @param digestOf a digest of a bundle's content */
export function tokenOf(
  holding: Holding,
  { lineage, revision }: Position,
  digestOf: (bundle: StoredBundle) => string,
): Token {
  return {
    lineage: digest([lineage]).subarray(0, LINEAGE_BYTES),
    revision,
    content: digest(contentOf(holding, lineage, digestOf)),
    entryIds: digest(entryIdsOf(holding)),
    bundleNames: digest(bundleNamesOf(holding)),
  }
}

export function writeToken({ lineage, revision, content, entryIds, bundleNames }: Token): Buffer {
  const head = Buffer.alloc(1 + LINEAGE_BYTES + REVISION_BYTES)
  head[0] = FORMAT
  lineage.copy(head, 1)
  head.writeUIntBE(revision, 1 + LINEAGE_BYTES, REVISION_BYTES)
  return Buffer.concat([head, content, entryIds, bundleNames])
}

/** undefined: it is none that this version gave out. */
export function readToken(bytes: Uint8Array): Token | undefined {
  if (bytes.length !== TOKEN_BYTES || bytes[0] !== FORMAT) return undefined
  // A copy: a part of a message would keep all of it.
  const all = Buffer.from(bytes)
  let at = 1
  const next = (length: number): Buffer => all.subarray(at, (at += length))
  return {
    lineage: next(LINEAGE_BYTES),
    revision: next(REVISION_BYTES).readUIntBE(0, REVISION_BYTES),
    content: next(DIGEST_BYTES),
    entryIds: next(DIGEST_BYTES),
    bundleNames: next(DIGEST_BYTES),
  }
}

const NOTHING: Round = {
  full: false,
  entries: [],
  removedEntries: [],
  bundles: [],
  removedBundles: [],
}

/**
 * What the bearer of `from` lacks: unknown · ahead: unknown, for it was given out by a server that had heard of more than this
 * one has · nothing · changes, which the log may tell of.
 */
export function gapBetween(
  from: Token | undefined,
  now: Token,
): 'unknown' | 'ahead' | 'nothing' | 'changes' {
  if (from === undefined) return 'unknown'
  if (from.content.equals(now.content)) return 'nothing'
  if (!from.lineage.equals(now.lineage)) return 'unknown'
  return from.revision > now.revision ? 'ahead' : 'changes'
}

/**
 * The first round of a call. Its opener had the names that the token has a digest of. If these are the names it shall have, or
 * those of them that have not changed, then it lacks exactly what has changed of what it shall have. Else it had something that it
 * shall have no longer, or something else beside it has changed, and it is told all.
 * @param changed since the token; undefined: not known
 */
export function firstRound(
  from: Token | undefined,
  shall: { readonly holding: Holding; readonly token: Token },
  changed: ChangedNames | undefined,
): Round {
  const { holding, token } = shall
  const gap = gapBetween(from, token)
  if (gap === 'nothing') return NOTHING
  if (from === undefined || gap !== 'changes') return fullRound(holding)
  if (changed === undefined || changed.upTo < token.revision) return fullRound(holding)
  const knownEntries = isExplained(from.entryIds, entryIdsOf(holding), changed.entries)
  const knownBundles = isExplained(from.bundleNames, bundleNamesOf(holding), changed.bundles)
  if (!knownEntries || !knownBundles) return fullRound(holding)
  return {
    ...NOTHING,
    entries: holding.entries.filter(({ id }) => changed.entries.has(id)),
    bundles: Array.from(holding.bundles.values()).filter(({ trustDomain }) =>
      changed.bundles.has(trustDomain),
    ),
  }
}

function isExplained(had: Buffer, names: readonly string[], changed: ReadonlySet<string>): boolean {
  return had.equals(digest(names)) || had.equals(digest(names.filter((name) => !changed.has(name))))
}

/** In an order that does not depend on when they came to be known here. */
const entryIdsOf = ({ entries }: Holding): readonly string[] => entries.map(({ id }) => id)
const bundleNamesOf = ({ bundles }: Holding): readonly string[] => Array.from(bundles.keys()).sort()

function contentOf(
  holding: Holding,
  lineage: string,
  digestOf: (bundle: StoredBundle) => string,
): readonly string[] {
  const { entries, bundles } = holding
  return [
    lineage,
    ...entries.map(({ id, revision, createdAt }) => `${id} ${revision} ${createdAt}`),
    ...bundleNamesOf(holding).map(
      (name) => `${name} ${digestOf(bundles.get(name as StoredBundle['trustDomain'])!)}`,
    ),
  ]
}

function digest(parts: readonly string[]): Buffer {
  // Names have no line ends, so no two lists are one text.
  return hash('sha256', parts.join('\n'), 'buffer').subarray(0, DIGEST_BYTES)
}
