/**
 * What every importer fills and how it becomes weir configuration: directors with the line they came from, and notes of what was
 * carried over, carried over otherwise, and left behind. What comes out has no errors: lines the parser would refuse are turned into
 * comments and noted.
 */
import { parseConfig } from '../config/parse.ts';
import { hostPortText } from '../net/endpoint.ts';
import type { Ip } from '../net/ip.ts';

/** `changed`: carried over, but it does not mean quite the same. `line` is of the file imported. */
export interface ImportNote {
  readonly line: number;
  readonly kind: 'carried' | 'changed' | 'dropped';
  readonly what: string;
  readonly why: string;
}

export interface Imported {
  readonly layer4: string;
  readonly services: string;
  readonly notes: readonly ImportNote[];
}

export interface ImportedServer {
  readonly line: number;
  readonly ip: Ip;
  /** Null: the port the client used. */
  readonly port: number | null;
  readonly weight: number;
  readonly words: readonly ('check' | 'sorry' | 'drain' | 'disabled')[];
}

export interface ImportedDirector {
  readonly line: number;
  /** Made unique and spelled as names may be. */
  readonly name: string;
  readonly vip: Ip | null;
  readonly ports: { readonly first: number; readonly last: number } | null;
  readonly protocol: 'udp' | 'tcp';
  /** The indented lines before the servers, without indentation, each with where it comes from. */
  readonly settings: readonly { readonly line: number; readonly text: string }[];
  readonly servers: readonly ImportedServer[];
}

const MAX_WEIGHT = 256;
/** More than anybody reads: the rest is counted. */
const MAX_NOTES = 20_000;

export class ImportDraft {
  readonly #origin: string;
  readonly #directors: ImportedDirector[] = [];
  readonly #services: { readonly line: number; readonly text: string }[] = [];
  readonly #notes: ImportNote[] = [];
  readonly #said = new Set<string>();
  readonly #names = new Set<string>();

  /** `origin` is what is imported, for the comment on top: `keepalived.conf`. */
  constructor(origin: string) {
    this.#origin = origin;
  }

  carried(line: number, what: string, why: string): void {
    this.#note({ line, kind: 'carried', what, why });
  }
  changed(line: number, what: string, why: string): void {
    this.#note({ line, kind: 'changed', what, why });
  }
  dropped(line: number, what: string, why: string): void {
    this.#note({ line, kind: 'dropped', what, why });
  }

  director(director: ImportedDirector): void {
    const name = this.#nameFor(director.name);
    const servers = scaled(director.servers);
    if (servers !== director.servers) this.changed(director.line, `weights of director ${name}`, `a weight is at most ${MAX_WEIGHT}: all were scaled down`);
    this.#directors.push({ ...director, name, servers });
  }

  /** A line of `service lvs`. */
  lvs(line: number, text: string): void {
    this.#services.push({ line, text });
  }

  /** Returns the texts and the notes, in the order of the file. */
  finish(): Imported {
    const lines: { text: string; readonly line: number }[] = [{ text: `# Imported from ${this.#origin} by weir import`, line: 0 }];
    const heads: number[] = [];
    for (const director of this.#directors) {
      heads.push(lines.length + 1);
      lines.push({ text: '', line: 0 }, { text: headText(director), line: director.line });
      for (const setting of director.settings) lines.push({ text: `    ${setting.text}`, line: setting.line });
      const names = new Set<string>();
      for (const server of director.servers) lines.push({ text: `    server ${serverName(server, names)} ${hostPortText(server.ip, server.port ?? 0)}${serverWords(server)}`, line: server.line });
    }
    this.#commentOut(lines);
    for (const [i, at] of heads.entries()) {
      const head = lines[at];
      const servers = lines.slice(at, heads[i + 1] ?? lines.length).filter(({ text }) => text.startsWith('    server ')).length;
      if (head?.text.startsWith('director ') === true) this.carried(head.line, head.text, servers === 1 ? '1 server' : `${servers} servers`);
    }
    const services = this.#services.length === 0 ? '' : `service lvs\n${this.#services.map(({ text }) => `    ${text}\n`).join('')}`;
    const notes = this.#notes.map((note, i) => ({ note, i })).toSorted((a, b) => a.note.line - b.note.line || a.i - b.i).map(({ note }) => note);
    return { layer4: lines.map(({ text }) => `${text}\n`).join(''), services, notes };
  }

  /** Each round takes away what the one before left over; a director whose own line is refused goes with all its lines. */
  #commentOut(lines: { text: string; readonly line: number }[]): void {
    for (let round = 0; round < 8; round++) {
      const { issues } = parseConfig([{ file: 'import', document: 'layer4', text: lines.map(({ text }) => `${text}\n`).join('') }]);
      const errors = issues.filter(({ severity }) => severity === 'error');
      if (errors.length === 0) return;
      const refused = new Map(errors.map((issue) => [issue.at.line - 1, issue.message]));
      for (const [at, message] of refused) {
        const line = lines[at];
        if (!line || line.text.startsWith('#')) continue;
        const text = line.text.trim();
        this.dropped(line.line, text, message.replace(/ at import:\d+/, ''));
        line.text = `# not carried over: ${text}`;
        if (!text.startsWith('director ')) continue;
        for (let next = at + 1; lines[next]?.text.startsWith('    ') === true; next++) {
          const rest = lines[next];
          if (rest) rest.text = `#${rest.text.slice(1)}`;
        }
      }
    }
    throw new Error('what was imported cannot be made a configuration; please report this with the file');
  }

  #nameFor(wanted: string): string {
    const base = wanted.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 56) || 'director';
    let name = base;
    for (let i = 2; this.#names.has(name); i++) name = `${base}-${i}`;
    this.#names.add(name);
    return name;
  }

  /** What several directors inherit is said once. */
  #note(note: ImportNote): void {
    const key = JSON.stringify(note);
    if (this.#said.has(key)) return;
    if (this.#notes.length < MAX_NOTES) this.#said.add(key);
    if (this.#notes.length < MAX_NOTES) this.#notes.push(note);
    else if (this.#notes.length === MAX_NOTES) this.#notes.push({ line: note.line, kind: 'dropped', what: 'further notes', why: `more than ${MAX_NOTES}` });
  }
}

/** Returns the report as lines: `file:line: carried over: what (why)`. */
export function reportText(notes: readonly ImportNote[], file: string): string {
  const WORDS = { carried: 'carried over', changed: 'carried over, but', dropped: 'not carried over' } as const;
  return notes.map(({ line, kind, what, why }) => `${file}:${line}: ${WORDS[kind]}: ${what}${why === '' ? '' : ` (${why})`}\n`).join('');
}

/** Returns a name for a director from where its traffic comes in: `udp-192.0.2.1-53`. */
export function directorName(protocol: string, vip: Ip | null, port: number | null, mark: string | null = null): string {
  if (mark !== null) return `mark-${mark}`;
  return [protocol, vip === null ? 'any' : vip.text.replaceAll(':', '-').replace(/^-+|-+$/g, ''), ...(port === null ? [] : [String(port)])].join('-');
}

function headText({ name, vip, ports, protocol }: Pick<ImportedDirector, 'name' | 'vip' | 'ports' | 'protocol'>): string {
  if (vip === null) return `director ${name} ${protocol.toUpperCase()}`;
  const host = vip.family === 6 && ports ? `[${vip.text}]` : vip.text;
  const range = ports === null ? '' : ports.first === ports.last ? `:${ports.first}` : `:${ports.first}-${ports.last}`;
  return `director ${name} ${host}${range} ${protocol.toUpperCase()}`;
}

function serverName(server: ImportedServer, used: Set<string>): string {
  const base = server.words.includes('sorry') ? 'sorry' : `s-${server.ip.text.replaceAll(/[.:]+/g, '-')}${server.port === null ? '' : `-${server.port}`}`;
  let name = base;
  for (let i = 2; used.has(name); i++) name = `${base}-${i}`;
  used.add(name);
  return name;
}

function serverWords({ weight, words }: ImportedServer): string {
  return [...(words.includes('sorry') ? [] : [` weight ${weight}`]), ...words.map((word) => ` ${word}`)].join('');
}

function scaled(servers: readonly ImportedServer[]): readonly ImportedServer[] {
  const most = Math.max(0, ...servers.map(({ weight }) => weight));
  if (most <= MAX_WEIGHT) return servers;
  return servers.map((server) => ({ ...server, weight: server.weight === 0 ? 0 : Math.max(1, Math.round((server.weight * MAX_WEIGHT) / most)) }));
}
