import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wordsOf } from '../../../../../src/agent/obtain/server/denial.ts'
import { CallFault, UNKNOWN_AUTHORITY } from '../../../../../src/wire/call-fault.ts'

const fault = (message: string): CallFault =>
  new CallFault({
    code: 'certificate_invalid',
    message,
    status: 14,
    details: '',
    answered: false,
  })

test('wordsOf() has an agent begin anew with another bundle where no authority is known, and not where clocks differ', () => {
  assert.match(wordsOf(fault(`it is not: ${UNKNOWN_AUTHORITY}`)), /with a bundle of today/)
  const clocks = 'it is not valid yet by the clock of this host: do the clocks differ?'
  assert.equal(wordsOf(fault(clocks)), clocks)
})
