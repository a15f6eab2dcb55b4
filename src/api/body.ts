/**
 * What keeps a body of JSON from costing more than its bytes: 64 MiB of `[` or of short fields take minutes and gigabytes to parse, and a list
 * of complaints as long. No call takes more than a dozen fields, so their number is looked at before anything is parsed.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiFault } from './errors.ts';

/** Braces, brackets, commas and colons outside of strings; the largest good body has fewer than fifty. */
const MAX_PARTS = 1000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PARTS = new Set(Buffer.from('{}[],:'));

/** Returns true when `json` has more than `max` braces, brackets, commas and colons outside of its strings. Linear; says nothing of whether it is JSON. */
export function hasMoreParts(json: string, max: number = MAX_PARTS): boolean {
  let parts = 0;
  for (let i = 0; i < json.length; i++) {
    const c = json.charCodeAt(i);
    if (c === QUOTE) i = endOfString(json, i);
    else if (PARTS.has(c) && ++parts > max) return true;
  }
  return false;
}

/** Has the server parse JSON as fastify does, after a look at its parts. */
export function installJsonParser(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request: FastifyRequest, body, done) => {
    if (hasMoreParts(body)) return done(new ApiFault('BAD_REQUEST', 'expected a body with a few fields, found one of more than a thousand parts'));
    void parse(request, body, done);
  });
}

/** Returns the place of the quote that ends the string beginning at `start`, or the end of the text. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return json.length;
}
