/** Returns a value as weir's configuration takes it: in quotes where it would be more than one word. */
export function quoted(value: string): string {
  return /^[^\s"#]+$/.test(value) ? value : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
