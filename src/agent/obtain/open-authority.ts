/** The signing authorities of an agent that signs by itself. */
export { openJwtAuthority, openX509Authority as openAuthority } from '../../authority/open.ts'
