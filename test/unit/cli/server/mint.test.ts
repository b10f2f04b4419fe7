import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startOperator } from './setting.ts'

const BLOCK = /-----BEGIN ([A-Z ]+)-----\n[A-Za-z0-9+/=\n]+-----END \1-----\n/g

test('x509 mint makes a key and an X.509-SVID for it, as text, as JSON and as files', async (t) => {
  const { folder, out } = await startOperator(t)
  const mint = 'x509 mint -spiffeID spiffe://example.org/web -dns web.example.org -ttl 10m'
  const text = await out(mint)
  assert.equal(
    text.replaceAll(BLOCK, '$1\n'),
    'X509-SVID:\nCERTIFICATE\n\nPrivate key:\nPRIVATE KEY\n\nRoot CAs:\nCERTIFICATE\n\n',
  )
  const svid = new X509Certificate(text)
  assert.equal(svid.subjectAltName, 'DNS:web.example.org, URI:spiffe://example.org/web')
  assert.equal(Math.round((svid.validToDate.getTime() - Date.now()) / 60_000), 10)
  const written = join(folder, 'minted')
  assert.equal(
    await out([...mint.split(' '), '-write', written]),
    `X509-SVID written to ${written}/svid.pem\nPrivate key written to ${written}/key.pem\nRoot CAs written to ${written}/bundle.pem\n`,
  )
  assert.equal(statSync(join(written, 'key.pem')).mode & 0o777, 0o600)
  const leaf = new X509Certificate(readFileSync(join(written, 'svid.pem')))
  assert(leaf.verify(new X509Certificate(readFileSync(join(written, 'bundle.pem'))).publicKey))
  const json = JSON.parse(await out(`${mint} -output json`)) as Record<string, unknown>
  assert.deepEqual(Object.keys(json), ['x509_svid', 'private_key', 'root_cas'])
})

test('x509 mint says when the life it was asked for was capped', async (t) => {
  const { spindle } = await startOperator(t)
  const { code, err } = await spindle('x509 mint -spiffeID spiffe://example.org/web -ttl 900h')
  assert.equal(code, 0)
  assert.match(
    err,
    /^X509-SVID lifetime was capped shorter than specified ttl; expires "[\dT:-]+Z"\n$/,
  )
})

test('jwt mint prints a token, or writes it for its owner alone', async (t) => {
  const { folder, spindle, out } = await startOperator(t)
  const mint = 'jwt mint -spiffeID spiffe://example.org/web -audience a -audience b -ttl 2m'
  const token = await out(mint)
  const claims = JSON.parse(
    Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
  ) as Record<string, unknown>
  assert.deepEqual([claims['sub'], claims['aud']], ['spiffe://example.org/web', ['a', 'b']])
  assert.equal(Number(claims['exp']) - Number(claims['iat']), 120)
  const file = join(folder, 'token')
  assert.equal(await out([...mint.split(' '), '-write', file]), `JWT-SVID written to ${file}\n`)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(readFileSync(file, 'utf8').split('.').length, 3)
  assert.equal((await spindle('jwt mint -spiffeID spiffe://example.org/web')).code, 2)
  assert.equal((await spindle('jwt mint -spiffeID web -audience a')).code, 2)
})
