/** What the section parsers hand to validation: the value, and where the words stand that a later complaint may be about. */
import type { Position } from './issue.ts';
import type { Director, NatRule, ServiceConfig } from './model.ts';
import type { Reporter } from './report.ts';

export interface DirectorDraft {
  readonly director: Director;
  readonly marks: DirectorMarks;
}

/** Positions of a director's settings; undefined where the text does not have them. */
export interface DirectorMarks {
  address?: Position;
  mode?: Position;
  check?: Position;
  timeout?: Position;
  option?: Position;
  combine?: Position;
  slowStart?: Position;
  checkVip?: Position;
  passive?: Position;
  session?: Position;
  replies?: Position;
  sessionTimeout?: Position;
  sessionMax?: Position;
  sessionRate?: Position;
  sourceRate?: Position;
  amplification?: Position;
  persistence?: Position;
  /** A server line that could not be read: the servers are not all there. */
  brokenServer?: Position;
}

export interface NatDraft {
  readonly rule: NatRule;
  readonly marks: NatMarks;
}

export interface NatMarks {
  inIface?: Position;
  outIface?: Position;
  beforeSource?: Position;
  beforeDestination?: Position;
  afterSource?: Position;
  afterSport?: Position;
  afterDestination?: Position;
}

/** Everything of all documents, in order. */
export interface Drafts {
  readonly directors: DirectorDraft[];
  readonly natRules: NatDraft[];
  readonly services: ServiceConfig[];
}

/** Remembers what a section has said; `once` reports the second time and names the first. */
export class Seen {
  readonly #places = new Map<string, Position>();

  once(report: Reporter, what: string, at: Position): boolean {
    const first = this.#places.get(what);
    if (!first) {
      this.#places.set(what, at);
      return true;
    }
    report.add('given-twice', at, `expected ${what} once, it already stands at ${first.file}:${first.line}:${first.col}`);
    return false;
  }
}

/** How a section parser is driven: one call per indented line, then `end`. */
export interface SectionParser {
  line(): void;
  end(): void;
}

