import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { ServerLinkConfig } from '../../../../config/link/link-config.ts'
import { parseCertificate, readCertificatesPem } from '../../../../certs/parse.ts'
import {
  answerPopChallenge,
  popFamilyOf,
  readPopChallenge,
  writePopPayload,
  writePopResponse,
} from '../../../../certs/proof/x509pop.ts'
import { readLimited } from '../../../../os/files.ts'
import { SpindleError, messageOf } from '../../../../runtime/errors.ts'
import type { Random } from '../../../../runtime/random.ts'
import type { Proof } from './proof.ts'

type X509popConfig = Extract<ServerLinkConfig['attest'], { kind: 'x509pop' }>

const MOST_BYTES = 1 * 2 ** 20

/** A certificate that the node has, and that it has its key. The files are read for each attempt: they may be renewed. */
export function x509popProof(config: X509popConfig, random: Random): Proof {
  let key: KeyObject | undefined
  return {
    type: 'x509pop',
    async payload() {
      const read = readFiles(config)
      key = read.key
      return writePopPayload(read.chain)
    },
    async answer(challenge) {
      if (key === undefined) throw new SpindleError('internal', 'a challenge without a payload')
      return writePopResponse(await answerPopChallenge(readPopChallenge(challenge), key, random))
    },
    async settle() {
      key = undefined
    },
    advice: `the certificate in ${config.certFile} has to be in force and lead to nodeAttestors.x509pop.caBundleFile of the server`,
  }
}

/** @throws SpindleError `config_invalid` */
function readFiles(config: X509popConfig): {
  readonly chain: readonly Buffer[]
  readonly key: KeyObject
} {
  const { certFile, keyFile, intermediatesFile } = config
  try {
    const chain = [certFile, ...(intermediatesFile === undefined ? [] : [intermediatesFile])]
      .map((file) => readCertificatesPem(readLimited(file, MOST_BYTES).toString('utf8'), file))
      .flat()
    const key = readKey(readLimited(keyFile, MOST_BYTES), keyFile)
    if (parseCertificate(chain[0]!, certFile).x509.checkPrivateKey(key)) return { chain, key }
    throw new SpindleError('config_invalid', `${keyFile} is not the key of ${certFile}`)
  } catch (thrown) {
    throw new SpindleError('config_invalid', `x509pop: ${messageOf(thrown)}`, { cause: thrown })
  }
}

/** Of any size and curve that can be shown: it is the operator's, and signs nothing else here. */
function readKey(pem: Buffer, file: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    // OpenSSL's own message names its decoder, not what is wrong.
    throw new SpindleError('config_invalid', `${file} holds no unencrypted private key in PEM`)
  }
  if (popFamilyOf(key) !== undefined) return key
  throw new SpindleError('config_invalid', `${file} is neither an RSA nor an EC key`)
}
