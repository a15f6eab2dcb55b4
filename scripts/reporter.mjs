/**
 * A node:test reporter for scripts/test.mjs: one JSON line per event on file descriptor 3, written at once, so that
 * a test file that dies has told all it did until then.
 */
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';

/** @param {AsyncIterable<{ type: string, data: Record<string, any> }>} source */
export default async function* reporter(source) {
  for await (const { type, data } of source) {
    const line = describe(type, data);
    if (line !== null) writeAll(`${JSON.stringify(line)}\n`);
  }
  yield '';
}

/**
 * @param {string} type
 * @param {Record<string, any>} data
 */
function describe(type, data) {
  switch (type) {
    case 'test:dequeue':
      return { event: 'start', name: data.name, nesting: data.nesting };
    case 'test:complete':
      return { event: 'end', name: data.name, nesting: data.nesting };
    case 'test:pass':
    case 'test:fail': {
      const error = data.details?.error;
      return {
        event: type === 'test:pass' ? 'pass' : 'fail',
        name: data.name,
        nesting: data.nesting,
        suite: data.details?.type === 'suite',
        ms: data.details?.duration_ms,
        skip: data.skip,
        todo: data.todo,
        failure: error?.failureType,
        error: error === undefined ? undefined : inspect(error.cause ?? error, { depth: 6 }),
      };
    }
    case 'test:plan':
      return data.nesting === 0 ? { event: 'over' } : null;
    default:
      return null;
  }
}

/**
 * A pipe may take less than the whole line.
 * @param {string} text
 */
function writeAll(text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) at += writeSync(3, bytes, at);
}
