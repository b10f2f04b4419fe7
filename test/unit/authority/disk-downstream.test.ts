import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerX509Authority } from '../../../src/authority/authority.ts'
import { createDiskAuthority } from '../../../src/authority/disk.ts'
import { createFileSlotStore } from '../../../src/authority/slot-file.ts'
import { generateKey } from '../../../src/certs/keys.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../../fakes/clock.ts'
import { createDiskFiles, createOperatorCa } from '../../fakes/operator-ca.ts'
import type { OperatorCa } from '../../fakes/operator-ca.ts'
import { createSeededRandom } from '../../fakes/random.ts'
import { createStateFile } from '../../fakes/state-file.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2030, 0, 1)
const trustDomain = parseTrustDomain('example.org')
const asked = { spki: (await generateKey('ec-p256')).spki, ttlMs: DAY / 4 }
const life = { notBefore: NOW - DAY, notAfter: NOW + 3650 * DAY }

function open(chain: readonly OperatorCa[], anchor: OperatorCa): Promise<ServerX509Authority> {
  const files = createDiskFiles({
    certFile: chain.map(({ certPem }) => certPem).join(''),
    keyFile: chain[0]?.keyPem ?? '',
    keyFileMode: 0o600,
    bundleFile: anchor.certPem,
  })
  return createDiskAuthority({
    trustDomain,
    keyType: 'ec-p256',
    caTtlMs: DAY,
    clock: createManualClock({ now: NOW }),
    random: createSeededRandom('disk'),
    store: createFileSlotStore(createStateFile(), { kind: 'disk', trustDomain }),
    files,
    svidTtlMs: DAY / 24,
  })
}

const refused = { code: 'precondition_failed', message: /pathLenConstraint/ }

test('disk: issueCa is refused where the signing certificate allows one CA below it, which is the own', async () => {
  const root = await createOperatorCa({ name: 'root', ...life })
  const signing = await createOperatorCa({ name: 'signing', ...life, by: root, pathLen: 1 })
  const authority = await open([signing], root)
  await assert.rejects(authority.issueCa(asked), refused)
  await authority.close()
})

test('disk: issueCa minds the pathLen of the anchor too', async () => {
  const root = await createOperatorCa({ name: 'root', ...life })
  const signing = await createOperatorCa({ name: 'signing', ...life, by: root })
  const limited = (pathLen: number): Promise<OperatorCa> =>
    createOperatorCa({ name: 'root', ...life, keys: root.keys, pathLen })
  const tight = await open([signing], await limited(2))
  await assert.rejects(tight.issueCa(asked), refused)
  await tight.close()
  const wide = await open([signing], await limited(3))
  assert.equal((await wide.issueCa(asked)).chain.length, 3)
  await wide.close()
})
