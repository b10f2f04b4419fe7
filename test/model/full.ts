/** All the random histories, as CI runs them; a tenth of them otherwise. */
export const FULL = process.env['CI'] === 'true' || process.env['SPINDLE_FULL'] === '1'
