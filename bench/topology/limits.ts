/** Limits of the whole machine that a bench raises for all subjects alike, and puts back. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** By path, the least that a bench needs; one that the machine does not have is left out. */
const NEEDED: Readonly<Record<string, number>> = {
  // Frames built from XDP take a page each: the default receive buffer of 208 KiB would hold 48 datagrams, an artefact of veth.
  '/proc/sys/net/core/rmem_default': 4 << 20,
  '/proc/sys/net/core/rmem_max': 4 << 20,
  // A million sessions of nftables, and what they are asked for beyond; the limit is one for all namespaces.
  '/proc/sys/net/netfilter/nf_conntrack_max': 1 << 21,
};
/** What they were is kept in a file: a bench may be killed. */
const FILE = '/run/weir-bench-limits.json';

/** Raises those that are lower. Throws where the kernel refuses. */
export function raiseLimits(): void {
  const paths = Object.keys(NEEDED).filter((path) => existsSync(path));
  // What an earlier bench has raised already keeps its first value.
  const before = { ...Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'utf8').trim()])), ...recorded() };
  writeFileSync(FILE, JSON.stringify(before));
  for (const path of paths) {
    const needed = NEEDED[path] ?? 0;
    if (Number(readFileSync(path, 'utf8')) < needed) writeFileSync(path, String(needed));
  }
}

/** Puts back what the file says, and removes it; does nothing without one. */
export function putLimitsBack(): void {
  const before = recorded();
  for (const path of Object.keys(NEEDED)) {
    const value = before[path];
    if (value !== undefined) writeFileSync(path, value);
  }
  rmSync(FILE, { force: true });
}

function recorded(): Readonly<Record<string, string>> {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>) : {};
}
