import { parseCertificate, toPem } from '../../certs/parse.ts'
import type { Cell } from '../output.ts'
import { fromNowText, instantText } from '../output.ts'

interface ShownCertificate {
  readonly subject: string
  readonly serial: string
  readonly subjectKeyId: string
  readonly notBefore: string
  readonly notAfter: string
  readonly pem: string
}

export function shownCertificate(der: Buffer): ShownCertificate {
  const certificate = parseCertificate(der, 'certificate')
  const { subject, serial, subjectKeyId, notBefore, notAfter } = certificate
  return {
    subject,
    serial,
    subjectKeyId,
    notBefore: instantText(notBefore),
    notAfter: instantText(notAfter),
    pem: toPem(der, 'CERTIFICATE'),
  }
}

/** The cells that a table has of a certificate: `NOT BEFORE`, `NOT AFTER`, `EXPIRES`, `SUBJECT`. */
export function certificateCells(der: Buffer, now: number): readonly Cell[] {
  const { subject, notBefore, notAfter } = parseCertificate(der, 'certificate')
  return [instantText(notBefore), instantText(notAfter), fromNowText(notAfter, now), subject]
}

export const CERTIFICATE_HEAD = ['NOT BEFORE', 'NOT AFTER', 'EXPIRES', 'SUBJECT'] as const

export const pemOf = (certificates: readonly Buffer[]): string =>
  certificates.map((der) => toPem(der, 'CERTIFICATE')).join('')
