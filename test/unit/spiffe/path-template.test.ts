import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePathTemplate } from '../../../src/spiffe/path-template.ts'

const FIELDS = ['PluginName', 'Subject.CommonName', 'URISanSelectors.']
const values = new Map([
  ['PluginName', 'x509pop'],
  ['Subject.CommonName', 'node-1'],
  ['URISanSelectors.data-center', 'eu/1'],
])
const filled = (text: string): string =>
  parsePathTemplate(text, FIELDS).fill((field) => values.get(field))

test('plain fields are filled in, and a path begins with a slash', () => {
  assert.equal(filled('/{{ .PluginName }}/{{.Subject.CommonName}}'), '/x509pop/node-1')
  assert.equal(filled('{{ .PluginName }}/a'), '/x509pop/a')
  assert.equal(filled('/dc/{{ .URISanSelectors.data-center }}'), '/dc/eu/1')
  assert.equal(filled('/just/this'), '/just/this')
})

test('a field that is empty is no path', () => {
  const template = parsePathTemplate('/{{ .Subject.CommonName }}', FIELDS)
  for (const value of ['', undefined])
    assert.throws(() => template.fill(() => value), { code: 'spiffe_id_invalid' })
})

for (const text of [
  '',
  '/{{ .PluginName',
  '/}}{{',
  '/{{ {{ .PluginName }} }}',
  '/{{ .Nothing }}',
  '/{{ .Subject }}',
  '/{{ .URISanSelectors }}',
  '/{{ .PluginName | upper }}',
  '/{{ if .PluginName }}a{{ end }}',
  '/{{ printf "%s" .PluginName }}',
  '/{{- .PluginName -}}',
  '/a b',
  '/ä',
  '/{ .PluginName }',
])
  test(`${JSON.stringify(text)} is no template`, () => {
    assert.throws(() => parsePathTemplate(text, FIELDS), { code: 'config_invalid' })
  })
