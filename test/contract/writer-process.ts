// `node writer-process.ts plain|swapped FOLDER`: replaces a pair of files over and over, until it is killed.
import { randomBytes } from 'node:crypto'
import { placeFiles } from '../../src/os/place/place-files.ts'
import { swapFolder } from '../../src/os/place/swap-folder.ts'

const [, , kind, folder = ''] = process.argv
const rules = {
  uid: process.geteuid?.() ?? 0,
  owner: { uid: undefined, gid: undefined },
  shared: false,
  unique: () => randomBytes(8).toString('hex'),
}
// Long enough that a read in the middle of a write would see a part.
for (let round = 0; ; round++) {
  const word = `${round % 10}`.repeat(100_000)
  const files = [
    { folder, name: 'tls.key', content: word, mode: 0o600 },
    { folder, name: 'tls.pem', content: word, mode: 0o644 },
  ]
  if (kind === 'plain') placeFiles(files, rules)
  else swapFolder(folder, files, rules)
  // Not before: on a busy machine it could be killed before there is a file.
  if (round === 0) process.stdout.write('writing\n')
}
