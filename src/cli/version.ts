import { join } from 'node:path'
import { PACKAGE_ROOT } from '../os/host/package-root.ts'
import { readText } from '../os/scratch.ts'

const file = readText(join(PACKAGE_ROOT, 'package.json')) ?? ''

export const VERSION = (JSON.parse(file) as { readonly version: string }).version
