import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../../../src/config/fault.ts'
import { readFilesConfig } from '../../../../src/config/files/files-config.ts'
import type { FilesConfig } from '../../../../src/config/files/files-config.ts'

const FILE = '/etc/spindle/files.yaml'
const read = (text: string): FilesConfig => readFilesConfig(text, { file: FILE })

/** Each fault as `path: message`, without its place. */
function faultsOf(text: string): readonly string[] {
  try {
    read(text)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.equal(error.code, 'config_invalid')
    return error.faults.map(({ path, message }) => `${path}: ${message}`)
  }
  return []
}

/** The one fault, which begins with `path: `. */
function onlyFault(text: string, path: string): string {
  const faults = faultsOf(text)
  assert.equal(faults.length, 1, faults.join('\n'))
  const [fault = ''] = faults
  assert(fault.startsWith(`${path}: `), fault)
  return fault.slice(path.length + 2)
}

const PAIR = 'certFile: a.pem, keyFile: a.key'

test('readFilesConfig() fills in every default, and resolves paths against the folder of the file', () => {
  const config = read(`
x509: [{ certFile: tls/cert.pem, keyFile: /secret/key.pem }]
jwt: [{ audience: [vault], file: vault.jwt }]
jwtBundles: [{ trustDomain: example.org, file: ../jwks.json }]
after: { signal: { pidFile: nginx.pid } }
`)
  const nobody = { owner: undefined, group: undefined }
  assert.deepEqual(config, {
    socket: undefined,
    x509: [
      {
        ...nobody,
        spiffeId: undefined,
        hint: undefined,
        folder: undefined,
        certFile: '/etc/spindle/tls/cert.pem',
        keyFile: '/secret/key.pem',
        bundleFile: undefined,
        combinedFile: undefined,
        includeFederated: false,
        federatedFolder: undefined,
        certMode: 0o644,
        keyMode: 0o600,
      },
    ],
    jwt: [
      {
        ...nobody,
        audience: ['vault'],
        spiffeId: undefined,
        file: '/etc/spindle/vault.jwt',
        mode: 0o600,
      },
    ],
    jwtBundles: [{ ...nobody, trustDomain: 'example.org', file: '/etc/jwks.json', mode: 0o644 }],
    sharedFolders: false,
    after: {
      deadlineMs: 30_000,
      debounceMs: 1_000,
      signal: { name: 'SIGHUP', pidFile: '/etc/spindle/nginx.pid' },
    },
    log: { level: 'info', format: 'json' },
  })
})

test('readFilesConfig() leaves the names in a folder that is swapped as they are', () => {
  const [one] = read(`x509: [{ folder: svid, ${PAIR}, federatedFolder: partners }]`).x509
  assert.equal(one?.folder, '/etc/spindle/svid')
  assert.equal(one?.certFile, 'a.pem')
  assert.equal(one?.federatedFolder, '/etc/spindle/partners')
})

test('readFilesConfig() says every fault at once, with its place', () => {
  const text = `x509: [{ certFiel: a, spiffeId: web }]\nafter: { debounce: 5 }\nextra: 1\n`
  assert.throws(
    () => read(text),
    (error: ConfigError) => {
      assert.match(error.message, /certFiel: is not a key .*did you mean certFile\?.*line 1/)
      assert.match(error.message, /x509\[0\]\.spiffeId: is not a SPIFFE ID/)
      assert.match(error.message, /after\.debounce: is 5; allowed: a whole number and a unit/)
      assert.match(error.message, /extra: is not a key that is known here/)
      assert.match(error.message, /after: names nothing to do/)
      return true
    },
  )
})

test('a config that names no file is a fault', () => {
  assert.match(onlyFault('{}', ''), /names no file/)
  assert.match(onlyFault('x509: []', ''), /names no file/)
  assert.match(onlyFault('x509: [{ hint: a }]', 'x509[0]'), /names no file/)
})

test('an identity is chosen in one way, and its certificate and key go together', () => {
  const both = `x509: [{ ${PAIR}, hint: a, spiffeId: "spiffe://example.org/a" }]`
  assert.match(onlyFault(both, 'x509[0].hint'), /beside spiffeId/)
  assert.match(onlyFault('x509: [{ certFile: a }]', 'x509[0].keyFile'), /go together/)
  assert.match(onlyFault('x509: [{ keyFile: a }]', 'x509[0].certFile'), /go together/)
  const federated = `x509: [{ ${PAIR}, includeFederated: true }]`
  assert.match(onlyFault(federated, 'x509[0].includeFederated'), /bundleFile, which is missing/)
})

test('no mode lets others read a key or a token, or anyone but the owner write', () => {
  const key = (mode: string): readonly string[] => faultsOf(`x509: [{ ${PAIR}, keyMode: ${mode} }]`)
  for (const mode of ['"0400"', '"0600"', '"0440"', '"0640"']) assert.deepEqual(key(mode), [])
  // 0o600 and 0600 are numbers to YAML, and not the same one.
  for (const mode of ['"0644"', '"0660"', '"0700"', '"600"', '0600', '0o600', '"4600"'])
    assert.match(key(mode).join(), /^x509\[0\]\.keyMode: is .*allowed: octal digits in quotes/)
  const jwt = 'jwt: [{ audience: [a], file: f, mode: "0604" }]'
  assert.match(onlyFault(jwt, 'jwt[0].mode'), /let others do nothing/)
  const cert = `x509: [{ ${PAIR}, certMode: "0666" }]`
  assert.match(onlyFault(cert, 'x509[0].certMode'), /nobody but the owner write/)
})

test('a token for nobody is a fault that says so', () => {
  assert.match(onlyFault('jwt: [{ audience: [], file: f }]', 'jwt[0].audience'), /an empty list/)
})

test('a name in a swapped folder is a plain name', () => {
  for (const name of ['../x', 'a/b', '..data', '/x'])
    assert.match(
      onlyFault(`x509: [{ folder: svid, bundleFile: "${name}" }]`, 'x509[0].bundleFile'),
      /allowed beside folder: a name in it/,
    )
})

test('no two files have one place, and nothing else goes to a folder that is swapped', () => {
  const two = `x509: [{ ${PAIR} }]\njwt: [{ audience: [a], file: ./x/../a.pem }]`
  assert.match(onlyFault(two, 'jwt[0].file'), /same place as x509\[0\]\.certFile/)
  const inFolder = 'x509: [{ folder: svid, certFile: a, keyFile: a }]'
  assert.match(onlyFault(inFolder, 'x509[0].keyFile'), /same place as x509\[0\]\.certFile/)
  const inside = `x509: [{ folder: svid, ${PAIR} }]\njwt: [{ audience: [a], file: svid/x/t }]`
  assert.match(onlyFault(inside, 'jwt[0].file'), /in the way of x509\[0\]\.folder/)
  const around = 'x509: [{ bundleFile: f/a.pem }, { bundleFile: b.pem, federatedFolder: f }]'
  assert.match(onlyFault(around, 'x509[1].federatedFolder'), /in the way of x509\[0\]\.bundleFile/)
  const beside = `x509: [{ folder: s1, ${PAIR} }, { folder: s2, ${PAIR} }, { ${PAIR} }]`
  assert.deepEqual(faultsOf(beside), [])
})

test('after is a command or a signal', () => {
  const after = (text: string): readonly string[] => faultsOf(`x509: [{ ${PAIR} }]\nafter: ${text}`)
  assert.deepEqual(after('{ command: [/bin/true, -x] }'), [])
  assert.deepEqual(after('{ signal: { name: SIGUSR1, pidFile: x } }'), [])
  assert.match(after('{ command: [/bin/true], signal: { pidFile: x } }').join(), /names both/)
  assert.match(after('{ deadline: 5s }').join(), /names nothing to do/)
  for (const command of ['[]', '[nginx, -s]', '"/bin/true"', '["/bin/a", 1]'])
    assert.match(after(`{ command: ${command} }`).join(), /after\.command/)
  assert.match(after('{ signal: { name: SIGKILL, pidFile: x } }').join(), /allowed: SIGHUP/)
})

test('an owner is a name or a number', () => {
  const owner = (text: string): readonly string[] =>
    faultsOf(`x509: [{ ${PAIR}, owner: ${text}, group: ${text} }]`)
  for (const good of ['postgres', '101', '0']) assert.deepEqual(owner(good), [])
  for (const bad of ['-1', '4294967295', '"a:b"', '[a]', '1.5'])
    assert.match(owner(bad).join(), /owner: is .*allowed: the name of a user in \/etc\/passwd/)
})

test('a socket is an endpoint, not a bare path', () => {
  const socket = (text: string): readonly string[] =>
    faultsOf(`x509: [{ ${PAIR} }]\nsocket: ${text}`)
  assert.deepEqual(socket('unix:///run/a.sock'), [])
  assert.deepEqual(socket('tcp://127.0.0.1:8081'), [])
  for (const bad of ['/run/a.sock', 'unix:a.sock', 'http://127.0.0.1:80'])
    assert.match(socket(bad).join(), /^socket: is not an endpoint: .*allowed: unix:\/\/\//)
})
