import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutSpireFlags } from '../../../../src/cli/server/spire-flags.ts'

const translate = (line: string): string => withoutSpireFlags(line.split(' ')).join(' ')

test("withoutSpireFlags() makes SPIRE's flags ours, with their values before or after =", () => {
  assert.equal(
    translate('entry create -spiffeID spiffe://a/b -parentID=spiffe://a/c -selector unix:uid:1'),
    'entry create --spiffe-id spiffe://a/b --parent-id spiffe://a/c --selector unix:uid:1',
  )
  assert.equal(
    translate('entry create -x509SVIDTTL 60 -jwtSVIDTTL=30 -federatesWith spiffe://x'),
    'entry create --x509-svid-ttl 60 --jwt-svid-ttl 30 --federates-with spiffe://x',
  )
  assert.equal(
    translate('entry update -disableX509SVIDPrefetch -jwtSVIDIncludeJTI -storeSVID'),
    'entry update --disable-x509-svid-prefetch --jwt-svid-include-jti --store-svid',
  )
  assert.equal(
    translate('entry show -matchFederatesWithOn superset -entryID e'),
    'entry show --match-federates-with-on superset --entry-id e',
  )
  assert.equal(
    translate('bundle show -socketPath /s -output=json'),
    'bundle show --server-socket /s --output json',
  )
  assert.equal(translate('bundle show -output=pretty'), 'bundle show --output table')
  assert.equal(translate('bundle show -output pretty'), 'bundle show --output table')
})

test('withoutSpireFlags() takes two hyphens for one, as Go does', () => {
  assert.equal(
    translate('entry show --spiffeID spiffe://a/b --output=pretty'),
    'entry show --spiffe-id spiffe://a/b --output table',
  )
  assert.equal(translate('validate -config server.yaml'), 'validate --config server.yaml')
})

test('withoutSpireFlags() reads the values of switches as Go does, and takes no others', () => {
  assert.equal(translate('entry create -admin=true -downstream=false'), 'entry create --admin')
  assert.equal(
    translate('entry create --admin=1 -node=T -downstream=f'),
    'entry create --admin --node',
  )
  assert.throws(() => translate('entry create -admin=maybe'), {
    code: 'usage',
    message: '-admin=maybe: allowed: true or false',
  })
  assert.equal(translate('agent list -banned=true'), 'agent list --banned true')
})

test('withoutSpireFlags() takes formats in capitals, and those of before', () => {
  assert.equal(translate('entry show -output JSON'), 'entry show --output json')
  assert.equal(translate('entry show -output=PrettyPrint'), 'entry show --output table')
  assert.equal(translate('bundle show -format SPIFFE'), 'bundle show --format spiffe')
  assert.equal(translate('bundle show -format=PEM'), 'bundle show --format pem')
})

test("withoutSpireFlags() takes the flags of SPIRE's agent for the commands of a workload", () => {
  assert.equal(
    translate('workload x509 -socketPath /s -timeout 1s -write d -silent -output pretty'),
    'workload x509 --socket /s --timeout 1s --write d --silent --output table',
  )
  assert.equal(
    translate('workload jwt -audience a,b -spiffeID spiffe://a/b'),
    'workload jwt --audience a b --spiffe-id spiffe://a/b',
  )
  assert.equal(translate('workload jwt -audience=a,b'), 'workload jwt --audience a b')
  assert.equal(translate('workload jwt --audience a,b'), 'workload jwt --audience a,b')
  assert.equal(translate('jwt mint -audience a,b'), 'jwt mint --audience a,b')
  assert.equal(translate('server -config s.yaml'), 'server --config s.yaml')
})

test('withoutSpireFlags() leaves everything else as it is', () => {
  for (const line of [
    'sds list -o json',
    'entry create --spiffe-id x -o json',
    'entry create -- -spiffeID x',
    'files -spiffeID x',
    'agent -c file',
    'entry',
  ])
    assert.equal(translate(line), line)
  assert.deepEqual(withoutSpireFlags([]), [])
})
