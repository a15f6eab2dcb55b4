/** The Setup text of one service inside services.conf. */
import { appendSection, removeSection, replaceSection, sectionsOf } from './sections.ts';

/** Returns the section of a service as written, or the header alone when it has none. */
export function serviceText(text: string, name: string, instance: string | null): string {
  const { blocks } = sectionsOf(text);
  return blocks[indexOf(text, name, instance)]?.body.trimEnd().concat('\n') ?? `service ${name}${instance === null ? '' : ` ${instance}`}\n`;
}

/** Returns services.conf with the section of a service replaced, added, or, when `section` is blank, removed. */
export function withServiceText(text: string, name: string, instance: string | null, section: string): string {
  const index = indexOf(text, name, instance);
  const empty = section.trim() === '';
  if (index < 0) return empty ? text : appendSection(text, section);
  return empty ? removeSection(text, index) : replaceSection(text, index, section);
}

/** Returns whether `conntrack` stands in `service lvs`. */
export function hasConntrack(text: string): boolean {
  return /^\s+conntrack\s*(#.*)?$/m.test(serviceText(text, 'lvs', null));
}

/** Returns services.conf with `conntrack` in `service lvs`. */
export function withConntrack(text: string): string {
  if (hasConntrack(text)) return text;
  return withServiceText(text, 'lvs', null, `${serviceText(text, 'lvs', null).trimEnd()}\n    conntrack\n`);
}

const NO_AUTOSTART = /^\s+no\s+autostart\s*(#.*)?$/;

/** Returns whether the section of a service lets it start with weir. */
export function startsWithWeir(section: string): boolean {
  return !section.split('\n').some((line) => NO_AUTOSTART.test(line));
}

/** Returns the section with or without its line `no autostart`; the other lines stay as they are. */
export function withAutostart(section: string, starts: boolean): string {
  if (starts) return section.split('\n').filter((line) => !NO_AUTOSTART.test(line)).join('\n');
  return startsWithWeir(section) ? `${section.trimEnd()}\n    no autostart\n` : section;
}

function indexOf(text: string, name: string, instance: string | null): number {
  return sectionsOf(text).blocks.findIndex(({ word, body }) => {
    const [, its, second] = (body.split('\n')[0] ?? '').replace(/#.*$/, '').trim().split(/\s+/);
    return word === 'service' && its === name && (second ?? null) === instance;
  });
}
