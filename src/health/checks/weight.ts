/** The weight an answer asks for: `dynamic` of udpcheck, httpcheck and execcheck. */

/** Returns the share of its weight, 0..100, that `text` names: the first number before a percent sign, else a number at its start; null when there is none. */
export function percentIn(text: string): number | null {
  const found = /(?<![\d.])(\d{1,9})(?:\.\d+)?\s*%/.exec(text) ?? /^\s*(\d{1,9})(?![\d.])/.exec(text);
  return found === null ? null : Math.min(100, Number(found[1]));
}

/** Returns the words that a detail ends with: `, 40 % of its weight`, or that there was no number. */
export function percentText(percent: number | null): string {
  return percent === null ? ', no number in the answer: its weight stays' : `, ${percent} % of its weight`;
}
