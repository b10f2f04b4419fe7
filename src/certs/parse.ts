/** What the other folders read certificates with. */
export {
  parseCertificate,
  readCertificatesPem,
  readTrustAnchorsPem,
  serialNumberOf,
  unusual,
  usableTrustAnchors,
} from './certificate.ts'
export type { ParsedCertificate } from './certificate.ts'
export { envoyFaults } from './envoy.ts'
export { readKeyOf } from './keys.ts'
export { toPem } from './pem.ts'
export { issuersOf, verifyX509Svid } from './verify.ts'
