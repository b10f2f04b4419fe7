import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parsePattern } from '../../../../src/config/server/pattern.ts'

const matches = (pattern: string, text: string): boolean => parsePattern(pattern).matches(text)

const CASES: readonly (readonly [
  pattern: string,
  good: readonly string[],
  bad: readonly string[],
])[] = [
  [
    String.raw`p[0-9]+\.example\.com`,
    ['p1.example.com', 'p10.example.com'],
    ['p.example.com', 'p1xexample.com', 'p1.example.com.evil.org', 'xp1.example.com'],
  ],
  [
    String.raw`^([a-z0-9-]+\.)*example\.com$`,
    ['example.com', 'a.b-1.example.com'],
    ['.example.com', 'a.example.org'],
  ],
  ['a|bc|', ['a', 'bc', ''], ['ab', 'b']],
  ['^a$|^b$', ['a', 'b'], ['ab']],
  ['(?:ab){2,3}', ['abab', 'ababab'], ['ab', 'abababab']],
  ['a{3}b{2,}c??', ['aaabb', 'aaabbbbc'], ['aabb', 'aaab']],
  [String.raw`\d\w\s.[^a-c]\-`, ['1_ xd-'], ['1_ xa-', 'a_ xd-']],
  [String.raw`[a\-z][-x][.*+?^$(){}|]`, ['--*', 'zx^'], ['bx*']],
  ['(a*)*b', ['b', 'aaab'], ['aaa']],
  ['a^b|a$b', [], ['ab']],
]
for (const [pattern, good, bad] of CASES)
  test(`${pattern} matches what it should, as a whole`, () => {
    for (const text of good) assert.equal(matches(pattern, text), true, text)
    for (const text of bad) assert.equal(matches(pattern, text), false, text)
    const own = new RegExp(`^(?:${pattern})$`)
    for (const text of [...good, ...bad]) assert.equal(own.test(text), matches(pattern, text))
  })

for (const pattern of [
  '(',
  ')',
  'a)',
  '(a',
  '[',
  '[]',
  '[a',
  '[z-a]',
  '*',
  'a**',
  'a{2}{3}',
  '?',
  '{2}',
  'a{',
  'a{,2}',
  'a{3,2}',
  'a{256}',
  ']',
  '}',
  '(?=a)',
  '(?<a>b)',
  '(?i)a',
  String.raw`\1`,
  String.raw`\b`,
  String.raw`\p{L}`,
  '\\',
  '[[:alpha:]]',
  `${'('.repeat(40)}${')'.repeat(40)}`,
  '((a{255}){255}){255}',
])
  test(`${pattern} is no pattern`, () => {
    assert.throws(() => parsePattern(pattern), { code: 'config_invalid' })
  })

const leaf = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', String.raw`\w`, String.raw`\.`)
const { pattern: anyPattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.tuple(tie('pattern'), tie('pattern')).map(([one, other]) => one + other),
    fc.tuple(tie('pattern'), tie('pattern')).map(([one, other]) => `(${one}|${other})`),
    fc
      .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}', '*?'))
      .map(([one, count]) => `(?:${one})${count}`),
  ),
}))

test('a pattern matches what JavaScript’s own would', () => {
  fc.assert(
    fc.property(
      anyPattern,
      fc.string({ unit: fc.constantFrom('a', 'b', '.', '-'), maxLength: 8 }),
      (pattern, text) => {
        assert.equal(matches(pattern, text), new RegExp(`^(?:${pattern})$`).test(text))
      },
    ),
    { numRuns: 2_000 },
  )
})

test('no pattern takes long for a name, where JavaScript’s own would never end', () => {
  const name = 'a'.repeat(253)
  const begun = performance.now()
  for (const pattern of ['(a+)+b', '(a|a)*b', '(a*)*(a*)*b', 'a*a*a*a*a*a*b', '(a?){100}b'])
    assert.equal(matches(pattern, name), false)
  assert.ok(performance.now() - begun < 5_000)
})
