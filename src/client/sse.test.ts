import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createParser, readStream } from './sse.ts';
import type { EventView, StreamMessage } from './types.ts';

const event = (seq: number, text: string): EventView => ({ seq, atMs: 1, kind: 'k', who: 'w', text });

test('a stream cut into any pieces, with any of the three line ends, gives the same messages', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 5 }), fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }), (texts, eol, cuts) => {
      const sent = texts.map((text, i) => event(i, text));
      const wire = `:hello${eol}${eol}retry: 2000${eol}${eol}${sent.map((e) => `id: ${e.seq}${eol}event: event${eol}data: ${JSON.stringify(e)}${eol}${eol}:${eol}${eol}`).join('')}`;
      const heard: StreamMessage[] = [];
      const parse = createParser((message) => heard.push(message));
      let at = 0;
      for (let i = 0; at < wire.length; i++) {
        const size = 1 + (cuts[i % cuts.length] ?? 0);
        parse(wire.slice(at, at + size));
        at += size;
      }
      // A lone \r at the very end could still become \r\n.
      parse('\n');
      assert.deepEqual(heard.map((m) => m.type === 'event' && m.event), sent);
    }),
    { seed: 42, numRuns: 200 },
  );
});

test('data of several lines is one message, unknown types and fields are passed over, a message without an end is none', () => {
  const heard: StreamMessage[] = [];
  createParser((message) => heard.push(message))('event: later\ndata: 1\n\nfoo: bar\nevent: sample\ndata: {"atMs":1,\ndata:"directors":[]}\n\nevent: sample\ndata: {"atMs":2');
  assert.deepEqual(heard, [{ type: 'sample', sample: { atMs: 1, directors: [] } }]);
});

test('silence ends the stream with an error, so that the caller connects again', async () => {
  const silent = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => undefined) });
  await assert.rejects(readStream(silent, () => undefined, new AbortController().signal, 5), /nothing came/);
});

test('a letter of several bytes may be cut by the network', async () => {
  const bytes = new TextEncoder().encode(`event: event\ndata: ${JSON.stringify(event(1, 'ü🌊'))}\n\n`);
  const heard: StreamMessage[] = [];
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  await readStream(body, (message) => heard.push(message), new AbortController().signal);
  assert.equal(heard[0]?.type === 'event' && heard[0].event.text, 'ü🌊');
});
