import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { createHarness, EVERY_CALL } from './harness.ts';
import { apiReference, type OpenApiDocument } from './reference.ts';

async function served(t: TestContext): Promise<OpenApiDocument> {
  const h = await createHarness(t);
  const answer = await h.call({ url: '/api/v1/openapi.json', token: h.viewer });
  assert.equal(answer.statusCode, 200);
  return answer.json<OpenApiDocument>();
}

test('the document is OpenAPI 3.1 and every reference in it leads somewhere', async (t) => {
  const document = await served(t);
  assert.equal(document.openapi, '3.1.0');
  let references = 0;
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { $ref } = value as { $ref?: unknown };
    if (typeof $ref === 'string') {
      references++;
      const name = /^#\/components\/schemas\/(\w+)$/.exec($ref)?.[1];
      assert.ok(name !== undefined && name in document.components.schemas, `${$ref} leads nowhere`);
    }
    Object.values(value).forEach(visit);
  };
  visit(document);
  assert.ok(references > 20, `found only ${references} references`);
});

test('every operation has its own operationId, a summary, a tag, an answer and the refusals', async (t) => {
  const document = await served(t);
  const ids: string[] = [];
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const name = `${method} ${path}`;
      assert.ok(operation.operationId, name);
      ids.push(operation.operationId);
      assert.ok(operation.summary, name);
      assert.equal(operation.tags?.length, 1, name);
      assert.ok(document.tags?.some((tag) => tag.name === operation.tags?.[0]), name);
      assert.ok(operation.responses['4XX'] && operation.responses['5XX'], name);
      assert.ok(Object.keys(operation.responses).some((status) => /^2\d\d$/.test(status)), name);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
      assert.deepEqual(operation.parameters?.filter((p) => p.in === 'path').map((p) => p.name) ?? [], inPath, name);
    }
  }
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids.toSorted(), Object.keys(EVERY_CALL).toSorted(), 'harness.ts knows a good call of each');
});

test('every route that the server has is documented, and no other', async (t) => {
  const h = await createHarness(t);
  const document = (await h.call({ url: '/api/v1/openapi.json', token: h.viewer })).json<OpenApiDocument>();
  const documented = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((m) => `${m.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`));
  const real: string[] = [];
  const stack: { depth: number; text: string }[] = [];
  for (const line of h.app.printRoutes({ commonPrefix: false }).split('\n')) {
    const match = /^([│ ]*)[├└]── (\S*)(?: \(([A-Z, ]+)\))?/.exec(line);
    if (match === null) continue;
    const depth = (match[1] ?? '').length;
    while ((stack.at(-1)?.depth ?? -1) >= depth) stack.pop();
    const path = (stack.at(-1)?.text ?? '') + (match[2] ?? '');
    stack.push({ depth, text: path });
    // The web pages are no part of the API.
    if (path === '/' || path.startsWith('/assets/')) continue;
    for (const method of match[3]?.split(', ') ?? []) if (method !== 'HEAD') real.push(`${method} ${path}`);
  }
  assert.deepEqual(documented.toSorted(), real.toSorted());
});

test('docs/reference/api.md is what the schemas say', async (t) => {
  const file = new URL('../../../docs/reference/api.md', import.meta.url);
  const text = apiReference(await served(t));
  if (process.env['WEIR_UPDATE'] === '1') await writeFile(file, text);
  assert.equal(await readFile(file, 'utf8'), text, 'run the tests of src/api with WEIR_UPDATE=1');
});
