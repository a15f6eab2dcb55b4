/** Writes bpf/abi.h from spec.ts. */
import { place } from './layout.ts';
import { CONSTANTS, DROPS, ENUMS, STRUCTS, type Field } from './spec.ts';

/** Returns the text of bpf/abi.h. */
export function abiHeader(): string {
  const lines = [
    '/* SPDX-License-Identifier: MIT OR GPL-2.0 */',
    '/* Generated from src/engine/xdp/abi/spec.ts; WEIR_UPDATE=1 node --test dist/src/engine/xdp/abi/abi.test.js writes it again (after tsc). */',
    '#ifndef WEIR_ABI_H', '#define WEIR_ABI_H', '', '#include <linux/types.h>', '#include <stddef.h>', '',
    ...Object.entries(CONSTANTS).map(([name, value]) => `#define ${name} ${value}`), '',
    ...Object.entries(ENUMS).map(([name, words]) => `enum ${name} { ${words.map((word, i) => `${prefixOf(name)}_${word.toUpperCase()} = ${i}`).join(', ')} };`), '',
    `enum drop_reason { ${DROPS.map(({ name, id }) => `DROP_${name.toUpperCase()} = ${id}`).join(', ')} };`,
  ];
  for (const spec of STRUCTS) {
    lines.push('', ...(spec.about === '' ? [] : [`/* ${spec.about} */`]), `struct ${spec.name} {`, ...spec.fields.map(fieldLine), '};');
    lines.push(`_Static_assert(sizeof(struct ${spec.name}) == ${spec.size}, "struct ${spec.name}");`);
    for (const { name, offset } of place(spec)) lines.push(`_Static_assert(offsetof(struct ${spec.name}, ${name}) == ${offset}, "${spec.name}.${name}");`);
  }
  return `${lines.join('\n')}\n\n#endif\n`;
}

const PREFIX: Readonly<Record<string, string>> = { session_state: 'SESSION', session_kind: 'KIND', forwarding_mode: 'MODE', policy: 'POLICY', algorithm: 'ALGORITHM', command_op: 'COMMAND' };

function prefixOf(name: string): string {
  return PREFIX[name] ?? name.toUpperCase();
}

function fieldLine({ name, type, count, about }: Field): string {
  return `\t__${type} ${name}${count === undefined ? '' : `[${count}]`};${about === undefined ? '' : ` /* ${about} */`}`;
}
