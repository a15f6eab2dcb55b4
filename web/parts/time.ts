/** Returns `2026-11-22 14:03:07`, in the time of the reader. */
export function timeText(ms: number): string {
  return new Date(ms).toLocaleString('sv-SE');
}
