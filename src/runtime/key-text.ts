/**
 * Text that holds a private key: the label of PEM, also where line breaks were escaped, and bare base64 of the same structures,
 * by the bytes before the key itself (RFC 5958, 5915 and 8017, at the alignments at which they occur). What matches is never
 * repeated in a message or a log line.
 */
const KEY_TEXT =
  /PRIVATE KEY|AgEAMBMGByqGSM49|AgEAMBAGByqGSM49|IBADANBgkqhkiG9w0BAQEFAAS|IBAAKCAQEA|IBAAKCAgEA|MHcCAQEEI|MIGkAgEBBD/

export function holdsKeyText(text: string): boolean {
  return KEY_TEXT.test(text)
}
