// WT-30 of docs/conformance.md.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import { securityHeaderGate } from '../../../../../src/agent/serve/workload/security-header.ts'

const WORKLOAD = '/SpiffeWorkloadAPI/FetchX509SVID'
const SDS = '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets'

function refused(forSds: boolean, path: string, ...values: readonly string[]): boolean {
  const metadata = new Metadata()
  for (const value of values) metadata.add('workload.spiffe.io', value)
  const unheard: string[] = []
  const gate = securityHeaderGate({ forSds, unheard: (each) => void unheard.push(each) })
  const why = gate(path)?.(metadata)
  assert.deepEqual(unheard, why === undefined ? [] : [path])
  return why !== undefined
}

test('the header is demanded of the Workload API, once and exactly', () => {
  assert.equal(refused(false, WORKLOAD, 'true'), false)
  for (const wrong of [[], ['True'], ['false'], [''], ['true '], ['true', 'true'], ['true, true']])
    assert.equal(refused(false, WORKLOAD, ...wrong), true, JSON.stringify(wrong))
})

test('the header is demanded of SDS only where it is configured, and of health and reflection never', () => {
  assert.equal(refused(false, SDS), false)
  assert.equal(refused(true, SDS), true)
  assert.equal(refused(true, SDS, 'true'), false)
  for (const path of [
    '/grpc.health.v1.Health/Check',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  ])
    assert.equal(refused(true, path), false)
})
