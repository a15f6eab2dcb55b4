/**
 * Counters and gauges as Prometheus text (exposition format 0.0.4). The table METRICS is the truth: docs/reference/metrics.md is made from it,
 * and a sample of a metric that is not in it does not compile. Every drop reason is written, zeros included.
 */
import type { BlackholeView, DirectorView, NatRuleView } from '../client/types.ts';
import { DROP_REASONS } from '../engine/drops.ts';
import type { Reading } from '../engine/engine.ts';
import { FIRST_BITS, RESPONSE_BUCKETS } from '../engine/response-times.ts';

type Metric = readonly [type: 'counter' | 'gauge' | 'histogram', labels: string, help: string];

/** Every metric: type, labels, help. */
export const METRICS = {
  weir_build_info: ['gauge', 'version,node', 'Always 1; the labels say what runs.'],
  weir_engine_info: ['gauge', 'epoch', 'Always 1; the epoch changes when the counters of the engine start again from zero.'],
  weir_director_packets_total: ['counter', 'director,direction', 'Datagrams; direction in is from clients towards servers, out is replies towards clients.'],
  weir_director_bytes_total: ['counter', 'director,direction', 'UDP payload bytes of weir_director_packets_total.'],
  weir_director_sessions: ['gauge', 'director', 'Live sessions.'],
  weir_director_sessions_created_total: ['counter', 'director', 'Sessions begun.'],
  weir_director_drops_total: ['counter', 'director,reason', 'Datagrams of a director dropped, by reason.'],
  weir_director_state: ['gauge', 'director,state', '1 for the state the director is in, 0 for the others.'],
  weir_director_replies_expected: ['gauge', 'director', '1 when traffic showed that the servers answer, 0 when that they do not; absent until it showed either.'],
  weir_server_packets_total: ['counter', 'director,server,address,direction', 'Datagrams really sent to the server (in) and received from it (out).'],
  weir_server_bytes_total: ['counter', 'director,server,address,direction', 'UDP payload bytes of weir_server_packets_total.'],
  weir_server_sessions: ['gauge', 'director,server,address', 'Live sessions.'],
  weir_server_sessions_created_total: ['counter', 'director,server,address', 'Sessions begun.'],
  weir_server_sessions_moved_total: ['counter', 'director,server,address', 'Sessions moved away from the server by an `on` policy or evidence.'],
  weir_server_unanswered_total: ['counter', 'director,server,address', 'Requests or sessions that ended without any reply.'],
  weir_server_icmp_errors_total: ['counter', 'director,server,address', 'ICMP errors that came back from the server.'],
  weir_server_response_seconds: ['histogram', 'director,server,address,le', 'Time from the last request of a session to the first reply after it. Buckets and _count alone: no engine adds up times, so there is no _sum. Absent where the engine does not see replies.'],
  weir_server_up: ['gauge', 'director,server,address', '1 while the server may take new sessions (up, or unknown because it is not checked), else 0.'],
  weir_server_state: ['gauge', 'director,server,address,state', 'Always 1; the label says the state: up, unknown, drain, down or disabled.'],
  weir_server_weight: ['gauge', 'director,server,address', 'The weight in force.'],
  weir_server_weight_percent: ['gauge', 'director,server,address', 'The share of its configured weight that checks, a slow start and passive health leave the server.'],
  weir_server_blackholed_sessions: ['gauge', 'director,server,address,cause', 'Sessions whose datagrams go nowhere: not-in-set (pinned to a server that is down, disabled or gone) or one-way (the server answers none). Absent while there are none.'],
  weir_server_check_latency_seconds: ['gauge', 'director,server,address', 'How long the last check took; absent before the first.'],
  weir_drops_total: ['counter', 'reason', 'Datagrams dropped that belong to no director, by reason.'],
  weir_engine_gauge: ['gauge', 'gauge', 'A gauge of the engine itself, such as sockets or session_table_capacity.'],
  weir_nat_rule_flows_total: ['counter', 'rule', 'Flows that a NAT rule took: in the nftables table the first packet of each, in the engine each session of the directors whose source it changes. Starts again when the rule changes.'],
  weir_nat_rule_packets_total: ['counter', 'rule', 'Packets both ways of a NAT rule that acts in the engine; absent where the nftables table acts: the kernel asks NAT rules about the first packet of a flow alone.'],
  weir_health_checks_total: ['counter', '', 'Checks done.'],
  weir_health_checks_failed_total: ['counter', '', 'Checks that failed.'],
  weir_health_checks_late_total: ['counter', '', 'Checks begun later than they were due.'],
  weir_health_targets: ['gauge', '', 'Servers that are checked.'],
  weir_api_responses_total: ['counter', 'status', 'Answers of the API by class of status.'],
  weir_api_sign_ins_total: ['counter', 'result', 'Sign-ins: ok, failed (wrong password), limited (too many attempts).'],
  weir_api_tokens_refused_total: ['counter', '', 'Calls with a token that is unknown, expired or revoked.'],
  weir_api_signed_in: ['gauge', '', 'Browser sign-ins that last.'],
  weir_api_streams: ['gauge', '', 'Open event streams.'],
  weir_api_streams_opened_total: ['counter', '', 'Event streams opened.'],
  weir_api_streams_refused_total: ['counter', '', 'Event streams refused at the cap.'],
  weir_api_streams_slow_total: ['counter', '', 'Event streams cut off because the client did not read.'],
  process_start_time_seconds: ['gauge', '', 'When the daemon started, in seconds since 1970.'],
  process_cpu_seconds_total: ['counter', '', 'CPU time of the daemon, all threads.'],
  process_resident_memory_bytes: ['gauge', '', 'Resident memory of the daemon.'],
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;

/** What is written. `health` and `api` are left out where there is none. */
export interface MetricsInput {
  readonly reading: Reading;
  readonly directors: readonly DirectorView[];
  readonly health?: { readonly done: number; readonly failed: number; readonly late: number; readonly targets: number } | undefined;
  readonly traffic?: { readonly blackholes: readonly BlackholeView[]; readonly expects: (director: string) => 'replies' | 'nothing' | 'unknown' } | undefined;
  readonly nat?: readonly NatRuleView[] | undefined;
  readonly api?: {
    readonly answers: Readonly<Record<string, number>>;
    readonly signInsOk: number;
    readonly signInsFailed: number;
    readonly signInsLimited: number;
    readonly tokensRefused: number;
    readonly signedIn: number;
    readonly stream: { readonly clients: number; readonly opened: number; readonly refused: number; readonly slow: number };
  };
  readonly process: { readonly uptimeS: number; readonly rssBytes: number; readonly cpuS: number; readonly nowMs: number };
  readonly build: { readonly version: string; readonly node: string };
}

const DIRECTOR_STATES = ['up', 'degraded', 'down', 'sorry'] as const satisfies readonly DirectorView['state'][];

/** Returns the text, one family after the other in the order of METRICS; families without a sample are left out. */
export function renderMetrics(input: MetricsInput): string {
  const samples = new Map<MetricName, string[]>();
  const add: Add = (name, labels, value, suffix = '') => {
    const line = `${name}${suffix}${labels === '' ? '' : `{${labels}}`} ${valueText(value)}\n`;
    const lines = samples.get(name);
    if (lines === undefined) samples.set(name, [line]);
    else lines.push(line);
  };

  addEngine(input, add);
  for (const director of input.reading.directors) addDirectorCounters(director, add);
  for (const director of input.directors) addDirectorStates(director, add);
  addTraffic(input, add);
  addDaemon(input, add);

  let text = '';
  for (const [name, [type, , help]] of Object.entries(METRICS) as [MetricName, Metric][]) {
    const lines = samples.get(name);
    if (lines !== undefined) text += `# HELP ${name} ${helpText(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`;
  }
  return text;
}

/** Returns the text of docs/reference/metrics.md. */
export function metricsReference(): string {
  const rows = (Object.entries(METRICS) as [MetricName, Metric][]).map(
    ([name, [type, labels, help]]) => `| \`${name}\` | ${type} | ${labels === '' ? '' : labels.split(',').map((l) => `\`${l}\``).join(' ')} | ${help} |`,
  );
  const drops = DROP_REASONS.map((r) => `| \`${r.name}\` | ${r.text} |`);
  return `<!-- Made from src/stats/prometheus.ts and src/engine/drops.ts; WEIR_UPDATE=1 and the tests of src/stats write it again. -->
# Metrics

\`GET /metrics\` answers in the Prometheus text format 0.0.4. It needs a token with the role viewer (\`weir token\` makes one), unless the daemon was started to serve it openly.

\`\`\`yaml
scrape_configs:
  - job_name: weir
    authorization: { credentials_file: /etc/prometheus/weir.token }
    static_configs: [{ targets: ['127.0.0.1:8440'] }]
\`\`\`

| metric | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}

A server that is removed takes its series with it. Counters go back to zero only when \`epoch\` of \`weir_engine_info\` changes.

## Reasons of drops

| reason | meaning |
|---|---|
${drops.join('\n')}
`;
}

type Add = (name: MetricName, labels: string, value: number, suffix?: '' | '_bucket' | '_count') => void;

/** `le` of each bucket, in seconds: powers of two of nanoseconds. */
const RESPONSE_LE: readonly string[] = Array.from({ length: RESPONSE_BUCKETS }, (_, i) => (i === RESPONSE_BUCKETS - 1 ? '+Inf' : String(2 ** (FIRST_BITS + i) / 1e9)));

function addEngine({ reading, build }: MetricsInput, add: Add): void {
  add('weir_build_info', labelText({ version: build.version, node: build.node }), 1);
  add('weir_engine_info', labelText({ epoch: reading.epoch }), 1);
  for (const { name } of DROP_REASONS) add('weir_drops_total', labelText({ reason: name }), reading.drops[name] ?? 0);
  for (const [gauge, value] of Object.entries(reading.gauges).toSorted(([a], [b]) => (a < b ? -1 : 1))) add('weir_engine_gauge', labelText({ gauge }), value);
}

function addDirectorCounters(d: Reading['directors'][number], add: Add): void {
  const labels = labelText({ director: d.name });
  add('weir_director_packets_total', `${labels},direction="in"`, d.packetsIn);
  add('weir_director_packets_total', `${labels},direction="out"`, d.packetsOut);
  add('weir_director_bytes_total', `${labels},direction="in"`, d.bytesIn);
  add('weir_director_bytes_total', `${labels},direction="out"`, d.bytesOut);
  add('weir_director_sessions', labels, d.sessions);
  add('weir_director_sessions_created_total', labels, d.sessionsCreated);
  for (const { name } of DROP_REASONS) add('weir_director_drops_total', `${labels},reason="${name}"`, d.drops[name] ?? 0);
  for (const s of d.servers) {
    const server = `${labels},${labelText({ server: s.name, address: s.address })}`;
    add('weir_server_packets_total', `${server},direction="in"`, s.packetsIn);
    add('weir_server_packets_total', `${server},direction="out"`, s.packetsOut);
    add('weir_server_bytes_total', `${server},direction="in"`, s.bytesIn);
    add('weir_server_bytes_total', `${server},direction="out"`, s.bytesOut);
    add('weir_server_sessions', server, s.sessions);
    add('weir_server_sessions_created_total', server, s.sessionsCreated);
    add('weir_server_sessions_moved_total', server, s.sessionsMoved);
    add('weir_server_unanswered_total', server, s.unanswered);
    add('weir_server_icmp_errors_total', server, s.icmpErrors);
    if (s.responseTimes !== null) addResponses(server, s.responseTimes, add);
  }
}

/** Buckets of a Prometheus histogram hold all that is below their bound, the smaller ones too. */
function addResponses(server: string, counts: readonly number[], add: Add): void {
  let below = 0;
  for (const [i, le] of RESPONSE_LE.entries()) {
    below += counts[i] ?? 0;
    add('weir_server_response_seconds', `${server},le="${le}"`, below, '_bucket');
  }
  add('weir_server_response_seconds', server, below, '_count');
}

function addDirectorStates(d: DirectorView, add: Add): void {
  const labels = labelText({ director: d.name });
  for (const state of DIRECTOR_STATES) add('weir_director_state', `${labels},state="${state}"`, d.state === state ? 1 : 0);
  for (const s of d.servers) {
    const server = `${labels},${labelText({ server: s.name, address: s.address })}`;
    add('weir_server_up', server, s.state === 'up' || s.state === 'unknown' ? 1 : 0);
    add('weir_server_state', `${server},state="${s.state}"`, 1);
    add('weir_server_weight', server, s.weight);
    add('weir_server_weight_percent', server, s.weightPercent);
    if (s.lastCheck !== null) add('weir_server_check_latency_seconds', server, s.lastCheck.latencyMs / 1000);
  }
}

function addTraffic({ traffic, directors }: MetricsInput, add: Add): void {
  if (traffic === undefined) return;
  for (const { name } of directors) {
    const expects = traffic.expects(name);
    if (expects !== 'unknown') add('weir_director_replies_expected', labelText({ director: name }), expects === 'replies' ? 1 : 0);
  }
  for (const { director, server, address, cause, sessions } of traffic.blackholes) add('weir_server_blackholed_sessions', labelText({ director, server, address, cause }), sessions);
}

function addDaemon({ health, nat, api, process }: MetricsInput, add: Add): void {
  for (const { name, flows, packets } of nat ?? []) {
    if (flows !== null) add('weir_nat_rule_flows_total', labelText({ rule: name }), flows);
    if (packets !== null) add('weir_nat_rule_packets_total', labelText({ rule: name }), packets);
  }
  if (health !== undefined) {
    add('weir_health_checks_total', '', health.done);
    add('weir_health_checks_failed_total', '', health.failed);
    add('weir_health_checks_late_total', '', health.late);
    add('weir_health_targets', '', health.targets);
  }
  if (api !== undefined) {
    for (const [status, value] of Object.entries(api.answers)) add('weir_api_responses_total', labelText({ status }), value);
    add('weir_api_sign_ins_total', 'result="ok"', api.signInsOk);
    add('weir_api_sign_ins_total', 'result="failed"', api.signInsFailed);
    add('weir_api_sign_ins_total', 'result="limited"', api.signInsLimited);
    add('weir_api_tokens_refused_total', '', api.tokensRefused);
    add('weir_api_signed_in', '', api.signedIn);
    add('weir_api_streams', '', api.stream.clients);
    add('weir_api_streams_opened_total', '', api.stream.opened);
    add('weir_api_streams_refused_total', '', api.stream.refused);
    add('weir_api_streams_slow_total', '', api.stream.slow);
  }
  add('process_start_time_seconds', '', Math.round(process.nowMs - process.uptimeS * 1000) / 1000);
  add('process_cpu_seconds_total', '', process.cpuS);
  add('process_resident_memory_bytes', '', process.rssBytes);
}

/** Returns `name="value"` pairs with backslash, quote and newline escaped, as the format says; other control characters and lone surrogates become U+FFFD. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

function escapeLabel(value: string): string {
  // Nearly all labels are plain: 30,000 of them a scrape with 10,000 servers.
  if (/^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(value)) return value;
  // eslint-disable-next-line no-control-regex -- a carriage return would end the line for some readers
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replace(/[\u0000-\u001f\u007f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

function helpText(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function valueText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
