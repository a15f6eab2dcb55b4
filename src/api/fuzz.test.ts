/**
 * Every route of the OpenAPI document, called with what its schemas allow, nearly allow and would never allow, by an admin, a viewer and nobody:
 * no answer is a fault of weir, a refusal changes nothing, nobody changes anything without the role, and memory stays bounded.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { InjectOptions } from 'fastify';
import { holds } from '../../test/fuzz/holds.ts';
import { createHarness as createDaemonHarness } from '../daemon/harness.ts';
import { createHarness, EVERY_CALL, type Harness } from './harness.ts';

const FOR_MS = 4_000;
const HEAP_MORE_MIB = 48;
const FIRST = 'director d1 127.0.0.1:8000 UDP\n    server s1 127.0.0.1:8001 check\n    server s2 127.0.0.1:8002 check\n';
/** A stream does not end by itself: its refusals are in stream.test.ts. */
const NOT_CALLED = new Set(['stream']);

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: 'path' | 'query' | 'header'; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Words that mean something somewhere: names that exist, texts that parse, and what people send who mean harm. */
const KNOWN = fc.constantFrom(
  'd1', 's1', 's2', 'drain', 'disable', 'enable', 'reset', 'lvs', 'restart', 'admin', 'viewer', 'udp', 'edited', 'running', 'saved', '1', '0', '127.0.0.1:8000', '192.0.2.1:4000', '[2001:db8::1]:5',
  FIRST, `${FIRST}    server s3 127.0.0.1:8003\n`, 'director', 'service lvs\n    engine fake\n', 'nat x\n    protocol udp\n',
);
const HOSTILE = fc.constantFrom(
  '', ' ', '\0', '../../../etc/passwd', '%2e%2e%2f', '%00', '%', '__proto__', 'constructor', 'toString', '\u202e', '\ud800', 'A'.repeat(5_000), '-1', '1e999', 'NaN', '9007199254740993', "';drop", '<script>', '${x}', '\r\nX-Injected: 1', '٣',
);
const word: fc.Arbitrary<string> = fc.oneof({ arbitrary: KNOWN, weight: 3 }, { arbitrary: HOSTILE, weight: 1 }, { arbitrary: fc.string({ unit: 'binary', maxLength: 40 }), weight: 1 });
const number: fc.Arbitrary<unknown> = fc.oneof(fc.integer(), fc.integer({ min: 0, max: 5 }), fc.double(), fc.constantFrom(60_000, -1, 2 ** 53, 1e308, 0.5));
const anything: fc.Arbitrary<unknown> = fc.oneof(fc.jsonValue({ maxDepth: 4 }), word, number, fc.constantFrom<unknown>(null, true, [], {}, [[]], { __proto__: null }));

/** Returns values that the schema allows, mostly, and some that it does not. */
function valueOf(schema: Schema, document: Document, depth = 0): fc.Arbitrary<unknown> {
  const good = goodOf(schema, document, depth);
  return fc.oneof({ arbitrary: good, weight: 9 }, { arbitrary: anything, weight: 1 });
}

function goodOf(schema: Schema, document: Document, depth: number): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return goodOf(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, document, depth + 1);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => goodOf(choice, document, depth + 1)));
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'object' && depth < 6) {
    const known = fc.record(Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, of]) => [name, valueOf(of, document, depth + 1)])), { requiredKeys: [] });
    return fc.oneof({ arbitrary: known, weight: 6 }, { arbitrary: fc.tuple(known, fc.dictionary(word, anything, { maxKeys: 2 })).map(([a, b]) => ({ ...b, ...a })), weight: 1 });
  }
  if (type === 'array' && depth < 6) return fc.array(valueOf(schema.items ?? {}, document, depth + 1), { maxLength: 4 });
  if (type === 'integer' || type === 'number') return number;
  if (type === 'boolean') return fc.boolean();
  if (type === 'null') return fc.constant(null);
  return word;
}

interface Call {
  readonly name: string;
  readonly by: 'admin' | 'viewer' | 'nobody';
  readonly request: InjectOptions;
}

const ETAG = fc.oneof(fc.constantFrom('*', '""', '"', 'W/"x"', '"a", "b"', '"current"', 'current'), word);

/** Returns calls of one operation: path, query, headers and body from its schemas, each now and then as it must not be. */
function callOf(method: string, path: string, operation: Operation, document: Document): fc.Arbitrary<Call> {
  const parameters = operation.parameters ?? [];
  const of = (where: string) => fc.record(Object.fromEntries(parameters.filter((p) => p.in === where).map((p) => [p.name, valueOf(p.schema, document)])), where === 'path' ? {} : { requiredKeys: [] });
  const schema = operation.requestBody?.content['application/json']?.schema;
  const body: fc.Arbitrary<{ readonly payload?: string; readonly type?: string }> = schema === undefined
    ? fc.oneof({ arbitrary: fc.constant({}), weight: 6 }, { arbitrary: anything.map((value) => ({ payload: JSON.stringify(value) ?? 'null', type: 'application/json' })), weight: 1 })
    : fc.oneof(
      { arbitrary: valueOf(schema, document).map((value) => ({ payload: JSON.stringify(value) ?? 'null', type: 'application/json' })), weight: 12 },
      { arbitrary: fc.tuple(word, fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-7', '')).map(([payload, type]) => ({ payload, type })), weight: 2 },
      { arbitrary: fc.constantFrom({}, { payload: '{"a":', type: 'application/json' }, { payload: `${'['.repeat(5_000)}`, type: 'application/json' }, { payload: '{"__proto__":{"role":"admin"}}', type: 'application/json' }), weight: 1 },
    );
  return fc.record({
    by: fc.constantFrom<Call['by']>('admin', 'admin', 'admin', 'viewer', 'nobody'),
    path: of('path'), query: of('query'), headers: of('header'), body, etag: fc.option(ETAG, { freq: 3 }), extra: fc.option(fc.tuple(fc.constantFrom('x-forwarded-for', 'origin', 'cookie', 'last-event-id', 'accept', 'x-weir-csrf', 'content-encoding'), word), { freq: 4 }),
  }).map(({ by, path: inPath, query, headers, body: { payload, type }, etag, extra }) => {
    const url = Object.entries(inPath).reduce((so, [name, value]) => so.replace(`{${name}}`, segment(value)), path);
    const search = new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, textOf(value)])).toString();
    return {
      name: operation.operationId, by,
      request: {
        method: method.toUpperCase() as 'GET', url: search === '' ? url : `${url}?${search}`,
        headers: {
          ...Object.fromEntries([...Object.entries(headers), ...(etag === null ? [] : [['if-match', etag]]), ...(extra === null ? [] : [extra])].map(([name, value]) => [name, header(textOf(value))])),
          ...(type === undefined || type === '' ? {} : { 'content-type': type }),
        },
        ...(payload === undefined ? {} : { payload }),
      },
    };
  });
}

/** Calls that are as they should be, by whom they may come: what comes after them meets a state that moves. */
const GOOD: fc.Arbitrary<Call> = fc.tuple(
  fc.constantFrom<Call['by']>('admin', 'admin', 'viewer', 'nobody'),
  fc.constantFrom(...Object.entries(EVERY_CALL).filter(([name]) => !NOT_CALLED.has(name)).map(([name, { method, url, body }]) => ({ name, request: { method, url, ...(body === undefined ? {} : { body }) } }))),
).map(([by, call]) => ({ by, ...call }));

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** One path segment: percent-encoded, or raw where a client could send it so. */
function segment(value: unknown): string {
  const text = textOf(value);
  return /^[\w.%~-]+$/.test(text) ? text : encodeURIComponent(text.replaceAll(/[\ud800-\udfff]/g, '�')) || '%20';
}

/** What a header may hold on the wire. */
function header(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 4_000);
}

async function opened(t: TestContext): Promise<{ readonly api: Harness; readonly document: Document; state(): Promise<string> }> {
  const { daemon, store } = await createDaemonHarness({ layer4: FIRST });
  t.after(() => daemon.stop('remove'));
  const api = await createHarness(t, { control: daemon });
  const document = (await api.call({ url: '/api/v1/openapi.json', token: api.viewer })).json<Document>();
  return {
    api, document,
    async state() {
      const { edited, running, saved, overrides } = store.state() ?? {};
      const status = await daemon.status();
      return JSON.stringify([edited?.etag, running?.etag, saved?.etag, overrides, store.revisions().length, status.confirmBy, status.engine.name, daemon.services().map(({ state }) => state), api.auth.tokens().map(({ id, role }) => [id, role])]);
    },
  };
}

/** Answers that say a limit was met, or that the fake engine was asked for what the real one would do: not faults. */
const NO_FAULT = new Set(['BUSY']);

test('no call is answered with a fault, and none that is refused, or made without the role, changes anything', { timeout: 60_000 }, async (t) => {
  const { api, document, state } = await opened(t);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).filter(([, o]) => !NOT_CALLED.has(o.operationId)).map(([method, o]) => callOf(method, path, o, document)));
  assert.ok(operations.length > 25, `${operations.length} operations`);
  const answers: Record<number, number> = {};
  const done = new Set<string>();
  const gc = garbageCollector();
  gc();
  const before = process.memoryUsage().heapUsed;
  const runs = await holds('api: any call', fc.asyncProperty(fc.array(fc.oneof({ arbitrary: fc.oneof(...operations), weight: 3 }, { arbitrary: GOOD, weight: 1 }), { minLength: 1, maxLength: 4 }), async (calls) => {
    for (const { name, by, request } of calls) {
      const was = await state();
      const answer = await api.call({ ...request, ...(by === 'nobody' ? {} : { token: api[by] }) });
      answers[answer.statusCode] = (answers[answer.statusCode] ?? 0) + 1;
      if (answer.statusCode < 300) done.add(name);
      const said = `${name} by ${by}: ${answer.statusCode} ${answer.body.slice(0, 300)}; the log: ${api.logged.splice(0).join('').slice(-1500)}`;
      if (answer.statusCode >= 500) assert.ok(NO_FAULT.has(answer.json<{ code: string }>().code), said);
      if (answer.statusCode >= 400) {
        const { code, message } = answer.json<{ code: unknown; message: unknown }>();
        assert.ok(typeof code === 'string' && typeof message === 'string', said);
      }
      if (answer.statusCode >= 400 || by !== 'admin') assert.equal(await state(), was, said);
    }
  }), { forMs: FOR_MS });
  gc();
  const moreMiB = (process.memoryUsage().heapUsed - before) / 2 ** 20;
  t.diagnostic(`${runs} runs, answers ${JSON.stringify(answers)}, ${moreMiB.toFixed(1)} MiB more heap; done: ${[...done].toSorted().join(' ')}`);
  assert.ok((answers[200] ?? 0) > 50, `most calls mean something: ${JSON.stringify(answers)}`);
  assert.ok(moreMiB < HEAP_MORE_MIB, `${moreMiB.toFixed(1)} MiB more heap`);
});

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
