import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressKey, plainAddress } from '../../../../src/server/audit/address.ts'

test('addressKey takes an IPv4 address as it is, mapped into IPv6 or not, and of an IPv6 address the /64', () => {
  const cases = {
    '192.0.2.7': '192.0.2.7',
    '::ffff:192.0.2.7': '192.0.2.7',
    '::FFFF:c000:207': '192.0.2.7',
    '0:0:0:0:0:ffff:192.0.2.7': '192.0.2.7',
    '2001:db8::1': '2001:db8:0:0::/64',
    '2001:DB8:0:0:ffff:ffff:ffff:ffff': '2001:db8:0:0::/64',
    '2001:0db8:0000:0001::1': '2001:db8:0:1::/64',
    '2001:db8:a:b:c:d:e:f': '2001:db8:a:b::/64',
    '2001:db8:a:b:c:d:192.0.2.7': '2001:db8:a:b::/64',
    '1::': '1:0:0:0::/64',
    '::1': '0:0:0:0::/64',
    '::': '0:0:0:0::/64',
    // Not the mapped ones: only ::ffff:0:0/96 is.
    '::1:ffff:192.0.2.7': '0:0:0:0::/64',
    '64:ff9b::192.0.2.7': '64:ff9b:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    'no address': 'no address',
    '::x': '::x',
    '1:2:3': '1:2:3',
    '1:2:3:4:5:6:7:8:9': '1:2:3:4:5:6:7:8:9',
    '1::2::3': '1::2::3',
    '12345::1': '12345::1',
    '': '',
  }
  for (const [address, key] of Object.entries(cases))
    assert.equal(addressKey(address), key, address)
})

test('addressKey: two IPv6 addresses have one key where their first four groups are the same, however they are written', () => {
  const groups = (count: number) =>
    fc
      .array(fc.nat(0xffff), { minLength: count, maxLength: count })
      .map((all) => all.map((group) => group.toString(16)).join(':'))
  // Not of zeros alone: those mapped from IPv4 are told apart.
  const prefixes = groups(3).map((rest) => `2001:${rest}`)
  fc.assert(
    fc.property(prefixes, groups(4), groups(4), (prefix, one, other) => {
      // As the URL Standard writes an address: with the longest row of zeros left out.
      const short = new URL(`http://[${prefix}:${one}]`).hostname.slice(1, -1)
      assert.equal(addressKey(`${prefix}:${one}`), addressKey(`${prefix}:${other}`))
      assert.equal(addressKey(short), addressKey(`${prefix}:${one}`))
      assert.notEqual(addressKey(`3${prefix.slice(1)}:${one}`), addressKey(short))
    }),
  )
})

test('plainAddress takes the prefix from a mapped IPv4 address and leaves others as they are', () => {
  assert.equal(plainAddress('::ffff:192.0.2.7'), '192.0.2.7')
  assert.equal(plainAddress('192.0.2.7'), '192.0.2.7')
  assert.equal(plainAddress('2001:db8::ffff:1'), '2001:db8::ffff:1')
})
