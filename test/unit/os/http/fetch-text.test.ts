import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createIssuer, createRootCertificate, issueLeaf } from '../../../../src/certs/issuer.ts'
import { generateKey } from '../../../../src/certs/keys.ts'
import { toPem } from '../../../../src/certs/parse.ts'
import { fetchText } from '../../../../src/os/http/fetch-text.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainId } from '../../../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../../../fakes/clock.ts'

const HOUR = 3_600_000

/** A web server with a certificate for `localhost`, and what vouches for it. */
async function serve(
  t: TestContext,
  answer: RequestListener,
): Promise<{ readonly url: string; readonly roots: string }> {
  const life = { notBefore: Date.now() - HOUR, notAfter: Date.now() + HOUR }
  const [ca, own] = [await generateKey('ec-p256'), await generateKey('ec-p256')]
  const root = await createRootCertificate(ca, {
    ...life,
    trustDomainId: trustDomainId(parseTrustDomain('web.test')),
    serial: Buffer.from([1]),
  })
  const leaf = await issueLeaf(createIssuer(root, ca, 'the CA'), {
    ...life,
    spiffeId: parseSpiffeId('spiffe://web.test/server'),
    dnsNames: ['localhost'],
    spki: own.spki,
    serial: Buffer.from([2]),
  })
  const [cert, key] = [toPem(leaf, 'CERTIFICATE'), toPem(own.pkcs8, 'PRIVATE KEY')]
  const server = createServer({ cert, key }, answer)
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `https://localhost:${port}/bundle`, roots: toPem(root, 'CERTIFICATE') }
}

test('fetchText reads what is behind a https URL whose server the web vouches for', async (t) => {
  const { url, roots } = await serve(t, (_, response) => response.end('a bundle'))
  assert.equal(await fetchText(url, { clock: systemClock, roots }), 'a bundle')
  await assert.rejects(fetchText(url, { clock: systemClock }), { code: 'unreachable' })
  const elsewhere = url.replace('localhost', '127.0.0.1')
  await assert.rejects(fetchText(elsewhere, { clock: systemClock, roots }), { code: 'unreachable' })
})

test('fetchText follows no redirect, and takes nothing but status 200', async (t) => {
  const { url, roots } = await serve(t, (request, response) => {
    if (request.url === '/bundle') response.writeHead(302, { location: '/other' }).end()
    else response.end('other')
  })
  await assert.rejects(fetchText(url, { clock: systemClock, roots }), { message: /answered 302/ })
})

test('fetchText takes no more than a bundle can be', async (t) => {
  const { url, roots } = await serve(t, (_, response) => {
    for (let at = 0; at < 5; at++) response.write(Buffer.alloc(2 ** 20))
    response.end()
  })
  await assert.rejects(fetchText(url, { clock: systemClock, roots }), { message: /is longer than/ })
})

test('fetchText waits for a while and no longer', async (t) => {
  const clock = createManualClock()
  let came = (): void => undefined
  const arrived = new Promise<void>((resolve) => (came = resolve))
  const { url, roots } = await serve(t, (_, response) => {
    response.write('half')
    came()
  })
  const fetched = fetchText(url, { clock, roots })
  const refused = assert.rejects(fetched, { message: /nothing within 15 s/ })
  await arrived
  await clock.advance(15_000)
  await refused
})
