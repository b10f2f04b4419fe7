/** How much of a fault is made: enough to see it in every run of the tests, and the whole of it for `npm run soak`. */
export const SOAK = process.env['SPINDLE_SOAK'] === '1'

export const atScale = (small: number, whole: number): number => (SOAK ? whole : small)
