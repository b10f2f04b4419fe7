/** What no file of src/ may name, hold or grow to, whatever its layer; a row's reason is what a breach of it is answered with. */

export interface Banned {
  readonly text: RegExp
  /** Files it may stand in: folders or files of src/. */
  readonly except: readonly string[]
  readonly reason: string
}

export const BANNED: readonly Banned[] = [
  {
    text: /\bprocess\.exit\(/,
    except: ['main.ts'],
    reason: 'the process ends in one place, after what is open is closed',
  },
  {
    text: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bprocess\.hrtime\b|\b(?:setTimeout|setInterval)\(/,
    // The page runs in the browser.
    except: ['runtime/', 'page/'],
    reason: 'time is passed in (runtime/clock.ts), or no test can move it',
  },
  {
    text: /\bMath\.random\(|\brandomBytes\(|\brandomUUID\(|\bgetRandomValues\(/,
    // Names of temporary files, and of the socket of a self-test, that nobody else can take first.
    except: ['runtime/', 'os/files.ts', 'os/peer-self-test.ts'],
    reason: 'randomness is passed in (runtime/random.ts), or no test can repeat it',
  },
  {
    text: /\bconsole\.\w+\(/,
    except: [],
    reason: 'what is said goes through the log, or through the output that cli is given',
  },
  {
    text: /^(?:export )?(?:let|var) /m,
    except: [],
    reason: 'no mutable state at the top of a module: two agents in one process must not meet',
  },
  {
    text: /^(?:export )?const \w+(?:: [^=]+)? = (?:new (?:Map|Set|WeakMap|WeakSet)(?:<[^(]*>)?\(\)|\[\])$/m,
    except: [],
    reason: 'an empty collection at the top of a module is state that is filled later',
  },
]

export const PURE_NODE: Readonly<Record<string, RegExp>> = {
  'node:buffer': /.*/,
  'node:crypto': /^\s*\{\s*hash\s*\}\s*$/,
}

/** Globals beside those of BANNED that a pure folder must not name. */
export const PURE_BANNED = /\bprocess\.|\bsetImmediate\(|\bqueueMicrotask\(|\bfetch\(|\bcrypto\./

export const MOST_LINES = 300
export const MOST_FILES = 12
/** One file a group of commands: as many as there are groups. */
export const UNBOUNDED_FOLDERS: readonly string[] = ['cli']
export const VAGUE_NAMES = ['manager', 'handler', 'util', 'utils', 'helper', 'helpers', 'common']
