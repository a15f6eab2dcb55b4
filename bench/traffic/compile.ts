/** Compiles the traffic programs with clang, once per source text. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../command.ts';
import { ROOT } from '../root.ts';

const FLAGS = ['-O2', '-g', '-Wall', '-Wextra', '-Werror', '-Wno-address-of-packed-member', '-target', 'bpf'];

/** Returns the path of the compiled object (`.cache/bench/traffic-<hash>.o`). Throws CommandError when clang is absent or refuses. */
export function compileTraffic(): string {
  const source = join(ROOT, 'bench/bpf/traffic.bpf.c');
  // Debian keeps asm/types.h in the architecture's own folder, which `-target bpf` does not search.
  const include = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const flags = [...FLAGS, `-I${include}`];
  const hash = createHash('sha256').update(readFileSync(source)).update(flags.join(' ')).digest('hex').slice(0, 16);
  const folder = join(ROOT, '.cache/bench');
  const object = join(folder, `traffic-${hash}.o`);
  if (existsSync(object)) return object;
  mkdirSync(folder, { recursive: true });
  const temporary = `${object}.${process.pid}`;
  run('clang', [...flags, '-c', source, '-o', temporary]);
  renameSync(temporary, object);
  return object;
}
