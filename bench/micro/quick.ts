/** Whether a bench is only to show that it runs: `--quick`. Its numbers are rougher, its largest sizes smaller. */
export const QUICK = process.argv.includes('--quick')
