/**
 * Which regular expressions an `expect` may hold. A reply comes from outside and is matched in the daemon's own thread,
 * so a pattern must be sure to finish: no nested repetition, no backreference, no look-around, and few ways to backtrack.
 * The matcher looks at the first REGEX_INPUT_BYTES bytes of a reply; with these rules that is some million steps at worst.
 */

export const MAX_REGEX_LENGTH = 256;
/** How many bytes of a reply a regular expression is matched against. */
export const REGEX_INPUT_BYTES = 2048;
const MAX_CHOICES = 256;
const MAX_REPEATS = 4096;
const NARROW = 16;

interface Group {
  variable: boolean;
  alternation: boolean;
  repeats: number;
}

/** Returns why the pattern is refused, in words that end a sentence "…: ", or undefined when it is accepted. */
export function regexProblem(source: string, flags: string): string | undefined {
  if (source.length > MAX_REGEX_LENGTH) return `it has ${source.length} characters, at most ${MAX_REGEX_LENGTH} are allowed`;
  if (!/^[ims]*$/.test(flags) || new Set(flags).size !== flags.length) return `its flags are '${flags}', only i, m and s are known, each once`;
  const slow = backtracking(source, flags);
  if (slow !== undefined) return slow;
  try {
    void new RegExp(source, flags);
    return undefined;
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    return `it does not compile (${text.slice(text.lastIndexOf(': ') + 2)})`;
  }
}

function backtracking(source: string, flags: string): string | undefined {
  let unbounded = 0;
  let choices = 1;
  let topAlternation = false;
  const groups: Group[] = [{ variable: false, alternation: false, repeats: 1 }];
  for (let i = 0; i < source.length; ) {
    let atom: Group = { variable: false, alternation: false, repeats: 1 };
    const c = source[i];
    const group = groups.at(-1) ?? atom;
    if (c === '\\') {
      const next = source[i + 1] ?? '';
      if (/[1-9k]/.test(next)) return `it refers back to a group (\\${next})`;
      i += 2;
    } else if (c === '[') {
      i++;
      while (i < source.length && source[i] !== ']') i += source[i] === '\\' ? 2 : 1;
      i++;
    } else if (c === '(') {
      if (/^\(\?<?[=!]/.test(source.slice(i, i + 4))) return 'it looks ahead or behind';
      const opening = /^\((\?:|\?<\w+>)?/.exec(source.slice(i))?.[0] ?? '(';
      groups.push({ variable: false, alternation: false, repeats: 1 });
      i += opening.length;
      continue;
    } else if (c === ')' && groups.length > 1) {
      atom = groups.pop() ?? atom;
      i++;
    } else if (c === '|') {
      group.alternation = true;
      if (groups.length === 1) topAlternation = true;
      choices *= 2;
      i++;
      continue;
    } else {
      i++;
    }
    const outer = groups.at(-1) ?? atom;
    const quantifier = /^(?:([*+?])|\{(\d+)(,(\d*))?\})\??/.exec(source.slice(i, i + 40));
    if (quantifier) {
      const [whole, sign, low, comma, high] = quantifier;
      const least = sign === undefined ? Number(low) : sign === '+' ? 1 : 0;
      const most = sign === '?' ? 1 : sign !== undefined || (comma !== undefined && high === '') ? Infinity : comma === undefined ? least : Number(high);
      if (most > 1 && (atom.variable || atom.alternation)) return 'it repeats a group that can itself match in several ways';
      if (most - least > NARROW) unbounded++;
      else choices *= most - least + 1;
      atom = { variable: most !== least, alternation: false, repeats: atom.repeats * Math.max(1, most === Infinity ? least : most) };
      i += whole.length;
    }
    outer.variable ||= atom.variable || atom.alternation;
    outer.repeats = Math.max(outer.repeats, atom.repeats);
    if (atom.repeats > MAX_REPEATS) return `it repeats something more than ${MAX_REPEATS} times`;
  }
  const anchored = source.startsWith('^') && !topAlternation && !flags.includes('m');
  if (unbounded > (anchored ? 2 : 1)) return `it has ${unbounded} open repetitions (*, +, {n,}), at most one, or two after ^, are allowed; .* at its ends is not needed`;
  return choices > MAX_CHOICES ? 'it has too many alternatives and optional parts' : undefined;
}
