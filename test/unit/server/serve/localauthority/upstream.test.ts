import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { LocalAuthority } from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import { parseCertificate } from '../../../../../src/certs/parse.ts'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { temporaryFolder, writeIn } from '../../../../fakes/folder.ts'
import { id } from '../../../../fakes/store-values.ts'
import { createOperatorCa } from '../../../../fakes/operator-ca.ts'
import type { OperatorCa } from '../../../../fakes/operator-ca.ts'
import { createSetting } from './setting.ts'

const { method } = LocalAuthority
const life = { notBefore: Date.UTC(2029, 0, 1), notAfter: Date.UTC(2049, 0, 1) }
const first = await createOperatorCa({ name: 'first', ...life })
const second = await createOperatorCa({ name: 'second', ...life })
const keyId = (ca: OperatorCa): string =>
  parseCertificate(Buffer.from(ca.certificate.rawData), 'a CA').subjectKeyId

async function underOperator(t: TestContext) {
  const folder = temporaryFolder(t)
  const use = (signing: OperatorCa, ...roots: readonly OperatorCa[]): void => {
    writeIn(folder, 'ca.pem', signing.certPem)
    chmodSync(writeIn(folder, 'key.pem', signing.keyPem), 0o600)
    writeIn(folder, 'roots.pem', roots.map(({ certPem }) => certPem).join(''))
  }
  use(first, first)
  const files = `certFile: ${folder}/ca.pem, keyFile: ${folder}/key.pem, bundleFile: ${folder}/roots.pem`
  const setting = await createSetting(t, `authority: { kind: disk, ${files} }\n`)
  const { call, bundle, issuing } = setting
  return {
    ...setting,
    use,
    /** As an operator does who changes over: both roots are trusted meanwhile. */
    async changeOver() {
      use(second, first, second)
      await issuing.x509.reload()
      const { preparedAuthority } = await call(method.prepareX509Authority, {})
      const authorityId = preparedAuthority!.authorityId
      await call(method.activateX509Authority, { authorityId })
    },
    async published() {
      const { x509Authorities } = await bundle()
      return x509Authorities.map(
        ({ certificate, tainted }) =>
          parseCertificate(certificate, 'one').subjectKeyId + (tainted ? '!' : ''),
      )
    },
  }
}

test('localauthority: the state names the CA above, and what is trusted is not the own CA, so it is neither tainted nor revoked', async (t) => {
  const { call, changeOver } = await underOperator(t)
  const { active } = await call(method.getX509AuthorityState, {})
  assert.equal(active?.upstreamAuthoritySubjectKeyId, keyId(first))
  await changeOver()
  const after = await call(method.getX509AuthorityState, {})
  assert.equal(after.active?.upstreamAuthoritySubjectKeyId, keyId(second))
  assert.equal(after.old?.authorityId, active?.authorityId)
  const authorityId = active!.authorityId
  for (const [each, done] of [
    [method.taintX509Authority, 'tainted'],
    [method.revokeX509Authority, 'revoked'],
  ] as const)
    await assert.rejects(call(each, { authorityId }), {
      code: status.FAILED_PRECONDITION,
      details: `local authority can't be ${done} if there is an upstream authority`,
    })
})

test('taintX509UpstreamAuthority: the CA above what is old is tainted in the bundle, and stays so', async (t) => {
  const { call, changeOver, published, issuing, audited } = await underOperator(t)
  await changeOver()
  const subjectKeyId = keyId(first).toUpperCase()
  const answer = await call(method.taintX509UpstreamAuthority, { subjectKeyId })
  assert.equal(answer.upstreamAuthoritySubjectKeyId, keyId(first))
  assert.deepEqual((await published()).toSorted(), [`${keyId(first)}!`, keyId(second)].toSorted())
  const line = audited.at(-1)
  assert(line?.event === 'changed')
  assert.deepEqual([line.action, line.key], ['taint-upstream', keyId(first)])
  await issuing.x509.prepare()
  assert((await published()).includes(`${keyId(first)}!`))
})

test('taintX509UpstreamAuthority: not the CA above what signs, nor one that signed nothing', async (t) => {
  const { call, changeOver } = await underOperator(t)
  const taint = (subjectKeyId: string) => call(method.taintX509UpstreamAuthority, { subjectKeyId })
  const invalid = (why: string) => ({
    code: status.INVALID_ARGUMENT,
    details: `provided subject key id is not valid: ${why}`,
  })
  await assert.rejects(taint(''), invalid('no subject key ID provided'))
  const current = 'unable to use upstream authority singing current authority'
  await assert.rejects(taint(keyId(first)), invalid(current))
  await changeOver()
  await assert.rejects(taint(keyId(second)), invalid(current))
  const other = "upstream authority didn't sign the old local authority"
  await assert.rejects(taint('abcd'), invalid(other))
})

test('revokeX509UpstreamAuthority: not while an agent needs it, nor while the configuration trusts it, which would bring it back', async (t) => {
  const { call, changeOver, published, use, issuing, held } = await underOperator(t)
  const [before] = issuing.x509.state.current.slots
  await changeOver()
  const subjectKeyId = keyId(first)
  await assert.rejects(call(method.revokeX509UpstreamAuthority, { subjectKeyId: keyId(second) }), {
    code: status.INVALID_ARGUMENT,
    details: /^invalid subject key ID: unable to use upstream authority/,
  })
  await assert.rejects(call(method.revokeX509UpstreamAuthority, { subjectKeyId }), {
    code: status.FAILED_PRECONDITION,
    details: /^failed to revoke X\.509 upstream authority: .* an untainted root CA$/,
  })
  await call(method.taintX509UpstreamAuthority, { subjectKeyId })
  // By its own name, or by that of what this server signed with below it.
  for (const authority of [subjectKeyId, before!.authorityId]) {
    held.set(authority, new Set([id('/spire/agent/a'), id('/spire/agent/b')]))
    await assert.rejects(call(method.revokeX509UpstreamAuthority, { subjectKeyId }), {
      code: status.FAILED_PRECONDITION,
      details:
        /connected agents hold SVIDs .*: spiffe:\/\/example\.org\/spire\/agent\/a and 1 more$/,
    })
    held.clear()
  }
  await assert.rejects(call(method.revokeX509UpstreamAuthority, { subjectKeyId }), {
    code: status.FAILED_PRECONDITION,
    details: /configuration of this server: no connected agent needs it/,
  })
  assert.deepEqual((await published()).toSorted(), [`${keyId(first)}!`, keyId(second)].toSorted())
  use(second, second)
  await issuing.x509.reload()
  // What nothing leads to any more goes by itself.
  assert.deepEqual(await published(), [keyId(second)])
})
