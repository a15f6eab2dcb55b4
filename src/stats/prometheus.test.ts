import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DirectorView, ServerView } from '../client/types.ts';
import { DROP_REASONS } from '../engine/drops.ts';
import type { Reading } from '../engine/engine.ts';
import { RESPONSE_BUCKETS } from '../engine/response-times.ts';
import { labelText, METRICS, metricsReference, renderMetrics, type MetricsInput } from './prometheus.ts';

const traffic = { packetsIn: 10, bytesIn: 100, packetsOut: 9, bytesOut: 90 };
const counters = { ...traffic, name: 's"1', address: '[2001:db8::1]:53', sessions: 1, sessionsCreated: 2, sessionsMoved: 3, unanswered: 4, icmpErrors: 5, responseTimes: Array.from({ length: RESPONSE_BUCKETS }, (_, i) => (i === 3 ? 7 : i === 23 ? 2 : 0)) };
const serverView: ServerView = {
  ...counters, responses: null, director: 'd1', state: 'unknown', reason: '', sinceMs: 0, weight: 7, configuredWeight: 7, weightPercent: 100, sorry: false, checked: false, override: null, recent: { sessions: 0, packetsIn: 0 }, lastCheck: { atMs: 1, ok: true, latencyMs: 1.5, detail: '' },
};
const reading: Reading = {
  epoch: 'e', atMs: 0, gauges: { zeta: 1.5, alpha: 2 }, drops: { no_port: 3 },
  directors: [{ ...traffic, name: 'd1', sessions: 1, sessionsCreated: 2, drops: { send_full: 6 }, servers: [counters] }],
};
const directorView: DirectorView = { ...traffic, name: 'd1', vip: '', protocol: 'udp', balance: '', mode: '', state: 'degraded', sessions: 1, sessionsCreated: 2, drops: {}, responses: null, servers: [serverView] };
const input: MetricsInput = {
  reading, directors: [directorView], nat: [{ name: 'web', table: true, directors: [], flows: 4, packets: null }, { name: 'in', table: false, directors: ['d1'], flows: 2, packets: 19 }, { name: 'dark', table: true, directors: [], flows: null, packets: null }],
  traffic: { blackholes: [{ director: 'd1', server: 's"1', address: '[2001:db8::1]:53', cause: 'one-way', sessions: 3, sinceMs: 0, text: '' }], expects: () => 'replies' },
  health: { done: 1, failed: 2, late: 3, targets: 4 },
  api: { answers: { '2xx': 1 }, signInsOk: 1, signInsFailed: 2, signInsLimited: 3, tokensRefused: 4, signedIn: 5, stream: { clients: 1, opened: 2, refused: 3, slow: 4 } },
  process: { uptimeS: 10, rssBytes: 1000, cpuS: 0.5, nowMs: 1_700_000_000_000 }, build: { version: '1', node: 'v20' },
};

/** Returns the samples of a text by `name{labels}`; throws on what is not the format. */
function parse(text: string): Map<string, { value: number; type: string }> {
  const samples = new Map<string, { value: number; type: string }>();
  const types = new Map<string, string>();
  assert.ok(text.endsWith('\n'));
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (help !== null) {
      family = help[2] ?? '';
      if (help[1] === 'TYPE') {
        assert.ok(!types.has(family), `${family} comes twice`);
        types.set(family, help[3] ?? '');
      }
      continue;
    }
    const sample = /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (NaN|[+-]Inf|[-+.e\d]+)$/.exec(line);
    assert.ok(sample !== null, `not a sample: ${line}`);
    assert.equal(types.get(family) === 'histogram' ? sample[1]?.replace(/_(bucket|count)$/, '') : sample[1], family, 'samples stand below their family');
    const key = `${sample[1]}${sample[2] ?? ''}`;
    assert.ok(!samples.has(key), `${key} comes twice`);
    samples.set(key, { value: Number(sample[3]), type: types.get(family) ?? '' });
  }
  return samples;
}

test('every metric of the table is written, with the type and the labels that the table says', () => {
  const text = renderMetrics(input);
  const samples = parse(text);
  for (const [name, [type, labels]] of Object.entries(METRICS)) {
    const sampled = type === 'histogram' ? `${name}_bucket` : name;
    const mine = [...samples].filter(([key]) => key === sampled || key.startsWith(`${sampled}{`));
    assert.ok(mine.length > 0, `${name} is missing`);
    for (const [key, sample] of mine) {
      assert.equal(sample.type, type);
      assert.equal([...key.matchAll(/([a-z_]+)="/g)].map((m) => m[1]).join(','), labels, key);
    }
  }
});

test('the numbers are those of the reading and of the views', () => {
  const samples = parse(renderMetrics(input));
  const server = 'director="d1",server="s\\"1",address="[2001:db8::1]:53"';
  const expected: Readonly<Record<string, number>> = {
    'weir_director_packets_total{director="d1",direction="in"}': 10,
    'weir_director_packets_total{director="d1",direction="out"}': 9,
    'weir_director_bytes_total{director="d1",direction="out"}': 90,
    'weir_director_drops_total{director="d1",reason="send_full"}': 6,
    'weir_director_drops_total{director="d1",reason="no_server"}': 0,
    'weir_director_state{director="d1",state="degraded"}': 1,
    'weir_director_state{director="d1",state="up"}': 0,
    [`weir_server_sessions_moved_total{${server}}`]: 3,
    [`weir_server_unanswered_total{${server}}`]: 4,
    [`weir_server_icmp_errors_total{${server}}`]: 5,
    [`weir_server_response_seconds_bucket{${server},le="0.000032768"}`]: 0,
    [`weir_server_response_seconds_bucket{${server},le="0.000065536"}`]: 7,
    [`weir_server_response_seconds_bucket{${server},le="34.359738368"}`]: 7,
    [`weir_server_response_seconds_bucket{${server},le="+Inf"}`]: 9,
    [`weir_server_response_seconds_count{${server}}`]: 9,
    'weir_nat_rule_flows_total{rule="web"}': 4,
    'weir_nat_rule_flows_total{rule="in"}': 2,
    'weir_nat_rule_packets_total{rule="in"}': 19,
    [`weir_server_up{${server}}`]: 1,
    [`weir_server_state{${server},state="unknown"}`]: 1,
    [`weir_server_check_latency_seconds{${server}}`]: 0.0015,
    'weir_drops_total{reason="no_port"}': 3,
    'weir_engine_gauge{gauge="zeta"}': 1.5,
    weir_health_checks_late_total: 3,
    process_start_time_seconds: 1_699_999_990,
  };
  for (const [key, value] of Object.entries(expected)) assert.equal(samples.get(key)?.value, value, key);
  for (const { name } of DROP_REASONS) {
    assert.ok(samples.has(`weir_drops_total{reason="${name}"}`), name);
    assert.ok(samples.has(`weir_director_drops_total{director="d1",reason="${name}"}`), name);
  }
});

test('what is not known is absent, not zero', () => {
  const samples = parse(renderMetrics({ ...input, reading: { ...reading, directors: [{ ...reading.directors[0] ?? assert.fail(), servers: [{ ...counters, responseTimes: null }] }] } }));
  assert.deepEqual([...samples.keys()].filter((key) => key.includes('response_seconds') || key.includes('rule="dark"') || (key.includes('nat_rule_packets') && key.includes('"web"'))), []);
});

test('a server that takes no sessions is not up', () => {
  for (const state of ['up', 'unknown', 'drain', 'down', 'disabled'] as const) {
    const text = renderMetrics({ ...input, directors: [{ ...directorView, servers: [{ ...serverView, state, lastCheck: null }] }] });
    assert.match(text, new RegExp(`^weir_server_up\\{.*\\} ${state === 'up' || state === 'unknown' ? 1 : 0}$`, 'm'));
    assert.doesNotMatch(text, /weir_server_check_latency/);
  }
});

test('any text may be a label: it can be read back, and never ends a line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const text = labelText({ name: value });
      const inner = /^name="((?:[^"\\\n]|\\[\\"n])*)"$/.exec(text)?.[1];
      assert.ok(inner !== undefined, text);
      // eslint-disable-next-line no-control-regex -- exactly these must not be there
      assert.doesNotMatch(text, /[\u0000-\u001f\u007f]/);
      const back = inner.replace(/\\(.)/g, (_all, c: string) => (c === 'n' ? '\n' : c));
      // eslint-disable-next-line no-control-regex -- exactly these are replaced
      assert.equal(back.replaceAll('\n', '\ufffd'), value.replace(/[\u0000-\u001f\u007f]/g, '\ufffd'));
    }),
    { seed: 7, numRuns: 500 },
  );
  assert.equal(labelText({ a: '\ud800x\udc00🌊' }), 'a="\ufffdx\ufffd🌊"');
  assert.equal(labelText({ a: 'x\\n"\n', b: '' }), 'a="x\\\\n\\"\\n",b=""');
});

test('numbers that are none are written as the format says', () => {
  const text = renderMetrics({ ...input, reading: { ...reading, gauges: { a: NaN, b: Infinity, c: -Infinity, d: 1e21 } } });
  assert.match(text, /gauge="a"\} NaN\n.*gauge="b"\} \+Inf\n.*gauge="c"\} -Inf\n.*gauge="d"\} 1e\+21\n/);
});

test('docs/reference/metrics.md is what the table says', async () => {
  const file = new URL('../../../docs/reference/metrics.md', import.meta.url);
  if (process.env['WEIR_UPDATE'] === '1') await writeFile(file, metricsReference());
  assert.equal(await readFile(file, 'utf8'), metricsReference(), 'run the tests of src/stats with WEIR_UPDATE=1');
});
