/** What a certificate of an operator's own PKI calls its bearer. */
import { derTag, type DerElement } from '../../spiffe/der.ts'
import type { ParsedCertificate } from '../certificate.ts'
import { dottedOid, expect, only, series } from '../extensions.ts'

const COMMON_NAME = '2.5.4.3'
const SET = 0x31
const MOST_PARTS = 64

/** By the tag of an ASN.1 string; others are no text. */
const ENCODINGS: Readonly<Record<number, 'utf-8' | 'latin1' | 'utf-16be'>> = {
  0x0c: 'utf-8',
  0x13: 'latin1',
  0x14: 'latin1',
  0x16: 'latin1',
  0x1e: 'utf-16be',
}

/** The subject's common name, the last one where there are several; '' for none. @throws Error where the name is malformed */
export function commonNameOf({ subjectName }: Pick<ParsedCertificate, 'subjectName'>): string {
  let found = ''
  for (const relative of series(
    only(subjectName, derTag.SEQUENCE, 'the subject'),
    MOST_PARTS,
    'the subject',
  ))
    for (const part of series(expect(relative, SET, 'the subject'), MOST_PARTS, 'the subject')) {
      const [type, value] = series(expect(part, derTag.SEQUENCE, 'the subject'), 2, 'the subject')
      const oid = dottedOid(expect(type, derTag.OBJECT_IDENTIFIER, 'the subject'))
      if (oid === COMMON_NAME && value !== undefined) found = textOf(value) ?? found
    }
  return found
}

function textOf({ tag, contents }: DerElement): string | undefined {
  const encoding = ENCODINGS[tag]
  return encoding && new TextDecoder(encoding).decode(contents)
}
