/** Compiles the bench's BPF programs with clang, once per source text. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { ROOT } from './root.ts';

const FLAGS = ['-O2', '-g', '-Wall', '-Wextra', '-Werror', '-Wno-address-of-packed-member', '-target', 'bpf'];
const SOURCES = join(ROOT, 'bench/bpf');

/** Returns the path of the object compiled from bench/bpf/NAME.bpf.c (`.cache/bench/NAME-<hash>.o`). Throws CommandError when clang is absent or refuses. */
export function compileBpf(name: 'traffic' | 'limit' | 'naive' | 'carousel'): string {
  const source = join(SOURCES, `${name}.bpf.c`);
  // Debian keeps asm/types.h in the architecture's own folder, which `-target bpf` does not search.
  const include = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const flags = [...FLAGS, `-I${include}`];
  const hash = createHash('sha256').update(flags.join(' '));
  for (const header of readdirSync(SOURCES).filter((file) => file.endsWith('.h')).toSorted()) hash.update(readFileSync(join(SOURCES, header)));
  const folder = join(ROOT, '.cache/bench');
  const object = join(folder, `${name}-${hash.update(readFileSync(source)).digest('hex').slice(0, 16)}.o`);
  if (existsSync(object)) return object;
  mkdirSync(folder, { recursive: true });
  const temporary = `${object}.${process.pid}`;
  run('clang', [...flags, '-c', source, '-o', temporary]);
  renameSync(temporary, object);
  return object;
}
