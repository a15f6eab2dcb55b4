import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ApiError } from '../client/client.ts';
import type { Client } from '../client/types.ts';
import { COMMANDS } from './commands.ts';
import { EXIT } from './exit-codes.ts';
import { NOW, SERVER, TEXTS, runFake } from './fake-client.ts';

const GOOD = 'director web 127.0.0.1:8000 UDP\n    server a 127.0.0.1:8001\n';

describe('each command asks the client for exactly this', () => {
  const rows: readonly (readonly [line: string, calls: readonly (readonly unknown[])[]])[] = [
    ['status', [['status']]],
    ['plan', [['plan']]],
    ['apply', [['apply', {}]]],
    ['apply --confirm 90s', [['apply', { confirmMs: 90_000 }]]],
    ['apply --save', [['apply', {}], ['save']]],
    ['apply new.conf', [['documents', 'edited'], ['documents', 'running'], ['edit', { layer4: GOOD, nat: '', services: '' }, { ifMatch: 'e1' }], ['apply', { ifMatch: 'e2' }]]],
    ['edit /etc/weir/layer4.conf', [['edit', { layer4: GOOD }, {}]]],
    ['edit new.conf --if-match e9', [['edit', { layer4: GOOD, nat: '', services: '' }, { ifMatch: 'e9' }]]],
    ['confirm', [['confirm']]],
    ['save', [['save']]],
    ['show', [['documents', 'running']]],
    ['show saved layer4', [['documents', 'saved']]],
    ['diff', [['status']]],
    ['revisions', [['revisions']]],
    ['revisions 7', [['revision', 7]]],
    ['rollback 7 --save', [['rollback', 7], ['save']]],
    ['servers web', [['servers']]],
    ['drain web a', [['override', 'web', 'a', 'drain']]],
    ['disable web/a', [['override', 'web', 'a', 'disable']]],
    ['enable web a', [['override', 'web', 'a', 'enable']]],
    ['reset web a', [['override', 'web', 'a', 'reset']]],
    ['sessions --director web --limit 5', [['sessions', { director: 'web', limit: 5 }]]],
    ['purge --client 192.0.2.7', [['purge', { client: '192.0.2.7' }]]],
    ['purge --all', [['purge', {}]]],
    ['purge --blackholed --director web', [['purge', { director: 'web', blackholed: true }]]],
    ['pin 192.0.2.7:4000 web a', [['pin', { client: '192.0.2.7:4000', director: 'web', server: 'a' }]]],
    ['pin 192.0.2.7 web/a', [['pin', { client: '192.0.2.7', director: 'web', server: 'a' }]]],
    ['nat', [['nat']]],
    ['explain 192.0.2.7:4000 192.0.2.1:53 --tcp', [['explain', { client: '192.0.2.7:4000', vip: '192.0.2.1:53', protocol: 'tcp' }]]],
    ['services', [['services']]],
    ['service restart lvs', [['service', 'lvs', null, 'restart']]],
    ['service reload network eth0', [['service', 'network', 'eth0', 'reload']]],
    ['events --since 4', [['events', { since: 4 }]]],
    ['events --service health', [['events', { service: 'health' }]]],
    ['traffic', [['series']]],
    ['metrics', [['metrics']]],
    ['token list', [['tokens']]],
    ['token create ci --role admin --expires 2d', [['createToken', { name: 'ci', role: 'admin', expiresInMs: 172_800_000 }]]],
    ['token revoke t1', [['revokeToken', 't1']]],
    ['passwd --stdin', [['passwd', { newPassword: 'correct horse' }]]],
  ];
  const options = { files: { 'new.conf': GOOD, '/etc/weir/layer4.conf': GOOD }, stdin: 'correct horse\n' };
  for (const [line, calls] of rows) {
    test(line, async () => {
      const text = await runFake(line.split(' '), options);
      assert.deepEqual(text.calls, calls);
      assert.equal(text.code, 0, text.err);
      assert.ok(text.out.endsWith('\n'), text.out);
      assert.ok(!/undefined|NaN|\[object/.test(text.out), text.out);
      const row = COMMANDS.find(({ name }) => line === name || line.startsWith(`${name} `));
      if (row?.json !== true) return;
      const json = await runFake([...line.split(' '), '--json'], options);
      assert.equal(json.code, 0, json.err);
      assert.doesNotThrow(() => JSON.parse(json.out), json.out);
    });
  }
  test('no command is left out of these rows', () => {
    const elsewhere = ['run', 'check', 'fmt', 'import', 'send', 'completion', 'version'];
    const missing = COMMANDS.map(({ name }) => name).filter((name) => !elsewhere.includes(name) && !rows.some(([line]) => line === name || line.startsWith(`${name} `)));
    assert.deepEqual(missing, []);
  });
});

describe('exit codes', () => {
  const refused = (status: number, code: string): Partial<Client> => ({ apply: () => Promise.reject(new ApiError(status, { code, message: 'refused', cure: 'do this' })) });
  const rows = [
    [422, 'CONFIG_INVALID', EXIT.invalid], [422, 'UNSUPPORTED', EXIT.unsupported], [412, 'EDITED_BY_ANOTHER', EXIT.conflict], [409, 'CONFIRM_PENDING', EXIT.conflict],
    [401, 'UNAUTHENTICATED', EXIT.notAllowed], [403, 'FORBIDDEN', EXIT.notAllowed], [404, 'NOT_FOUND', EXIT.notFound], [400, 'BAD_REQUEST', EXIT.usage],
    [0, 'UNREACHABLE', EXIT.unreachable], [0, 'TIMEOUT', EXIT.unreachable], [500, 'APPLY_FAILED', EXIT.failed], [500, 'SOMETHING_NEW', EXIT.failed],
  ] as const;
  for (const [status, code, exit] of rows) {
    test(`${code} is ${exit}`, async () => {
      const text = await runFake(['apply'], { client: refused(status, code) });
      assert.deepEqual([text.code, text.out], [exit, '']);
      assert.match(text.err, /^weir: refused\n {2}\S/);
      const json = await runFake(['apply', '--json'], { client: refused(status, code) });
      assert.equal(JSON.parse(json.out).error.code, code);
      assert.deepEqual([json.code, json.err], [exit, '']);
    });
  }

  test('a fault of the program is 70', async () => {
    const { code, err } = await runFake(['save'], { client: { save: () => Promise.reject(new TypeError('x is not a function')) } });
    assert.equal(code, EXIT.fault);
    assert.match(err, /x is not a function/);
  });
});

describe('the command line', () => {
  for (const [line, message] of [
    ['stauts', /unknown command 'stauts' \(did you mean 'status'\?\)\n {2}see: weir help\n/],
    ['status --jsno', /unknown option '--jsno' \(did you mean '--json'\?\)\n {2}see: weir help status\n/],
    ['drain', /missing required argument 'director'/],
    ['drain web', /expected a director and a server, found 'web'/],
    ['drain web a b', /too many arguments/],
    ['show edtied', /'edtied' is invalid.*Allowed choices are edited, running, saved/],
    ['apply --confirm soon', /--confirm must be a time like 60s, got 'soon'/],
    ['apply --confirm 60s --save', /exclude each other/],
    ['rollback first', /expected the number of a revision, found 'first'/],
    ['purge', /expected --director, --server, --client or --blackholed/],
    ['sessions --limit 0', /--limit must be a number from 1, got '0'/],
    ['status --watch 1ms', /--watch must be a time of at least 200ms/],
    ['run --workers many', /--workers must be 1-256, got 'many'/],
    ['run --sessions 63', /--sessions must be 64-16777216, got '63'/],
    ['run --engine lsv', /'lsv' is invalid/],
    ['token', /expected a command/],
    ['token crate x', /unknown command 'crate'/],
    ['passwd', /no terminal to ask/],
  ] as const) {
    test(`'${line}' is a usage error that says what was expected`, async () => {
      const { code, out, err, calls } = await runFake(line.split(' '));
      assert.match(err, message);
      assert.deepEqual([code, out, calls], [EXIT.usage, '', []]);
    });
  }

  test('without a command the help is shown and it is a usage error', async () => {
    const { code, err } = await runFake([]);
    assert.equal(code, EXIT.usage);
    assert.match(err, /expected a command/);
  });

  test('help and version are no errors', async () => {
    for (const argv of [['--help'], ['help'], ['help', 'apply'], ['apply', '--help'], ['--version'], ['version'], ['token', '--help']]) {
      const { code, out, err } = await runFake(argv);
      assert.deepEqual([code, err], [0, ''], argv.join(' '));
      assert.notEqual(out, '');
    }
    const { out } = await runFake(['--help']);
    for (const { name, short } of COMMANDS.filter((command) => !command.name.includes(' '))) assert.ok(out.includes(name) && out.replace(/\s+/g, ' ').includes(short), name);
  });

  test('usage errors are JSON when JSON was asked for', async () => {
    const { code, out, err } = await runFake(['status', '--json', '--nope']);
    assert.deepEqual([code, err, JSON.parse(out).error.code], [EXIT.usage, '', 'usage']);
  });
});

describe('what is printed', () => {
  test('nothing of the daemon can steer the terminal, as text or as JSON', async () => {
    const hostile = 'a\u001b[2J\u009b31m\u202eevil\rok\u007f';
    const client: Partial<Client> = {
      servers: async () => [{ ...SERVER, name: hostile, reason: hostile }],
      events: async () => [{ seq: 1, atMs: NOW, kind: hostile, who: hostile, text: hostile }],
      explain: async () => ({ director: hostile, server: hostile, why: hostile, candidates: [{ server: hostile, state: hostile, weight: 1, sessions: 1, note: hostile }] }),
      metrics: async () => hostile,
      documents: async (stage) => ({ stage, etag: 'e', documents: { ...TEXTS, layer4: hostile } }),
      apply: () => Promise.reject(new ApiError(500, { code: 'APPLY_FAILED', message: hostile, cure: hostile })),
    };
    for (const line of ['servers', 'servers --json', 'events', 'events --json', 'explain a b', 'metrics', 'show', 'apply', 'apply --json']) {
      const { out, err } = await runFake(line.split(' '), { client, tty: true });
      const ours = `${out}${err}`.replace(/\u001b\[(\d+|0)m/g, '');
      assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(ours), JSON.stringify(ours));
      assert.match(ours, /evil/);
    }
  });

  test('documents go to a pipe byte for byte', async () => {
    const layer4 = 'director a\t# \u001b[1m tab\n';
    const { out } = await runFake(['show', 'running', 'layer4'], { client: { documents: async (stage) => ({ stage, etag: 'e', documents: { ...TEXTS, layer4 } }) } });
    assert.equal(out, layer4);
  });

  test('colours only on a terminal, and not with NO_COLOR', async () => {
    assert.ok((await runFake(['status'], { tty: true })).out.includes('\u001b[32m'));
    assert.ok(!(await runFake(['status'])).out.includes('\u001b'));
    assert.ok(!(await runFake(['status'], { tty: true, env: { NO_COLOR: '1' } })).out.includes('\u001b'));
  });

  test('status says what waits: confirmation, apply; and shows each server with its reason', async () => {
    const { out } = await runFake(['status']);
    assert.match(out, /up 1m 30s, engine userspace \(auto took userspace\)/);
    assert.match(out, /^runs as user 0 with CAP_NET_BIND_SERVICE CAP_NET_RAW, and can get no other$/m);
    assert.match(out, /rolls back in 45s .* unless you run: weir confirm/);
    assert.match(out, /edits are not applied yet/);
    assert.ok(!out.includes('not saved'), out);
    assert.match(out, /web 192\.0\.2\.1:53 UDP leastconn nat {2}degraded {2}3 sessions .*dropped: no_server 2/);
    assert.match(out, / {2}b +192\.0\.2\.2:53 +down \(disable by operator\) .*ICMP port unreachable/);
    assert.ok(!out.includes('table_full'), out);
  });

  test('response times stand in status and servers where the engine sees replies, and nowhere else', async () => {
    assert.match((await runFake(['status'])).out, /out 1230 datagrams, answered in 0\.81ms \(p50\) 3\.40ms \(p90\) 48\.5ms \(p99\), dropped/);
    assert.match((await runFake(['servers'])).out, /OUT +P50 +P90 +P99 +SINCE[^]*1230 +0\.81ms +3\.40ms +48\.5ms +1m 5s/);
    const idle = { ...SERVER, name: 'idle', responses: { replies: 0, p50Ms: null, p90Ms: null, p99Ms: null } };
    assert.match((await runFake(['servers'], { client: { servers: async () => [SERVER, idle] } })).out, /idle .* 1230 +- +- +- +1m 5s/);
    assert.ok(!(await runFake(['servers'], { client: { servers: async () => [{ ...SERVER, responses: null }] } })).out.includes('P50'));
  });

  test('nat says where each rule acts, and what nobody counts', async () => {
    const { out } = await runFake(['nat']);
    assert.equal(out, 'RULE      ACTS         FLOWS  PACKETS\noutbound  nftables     12.3k  -\ndns       engine: web  40     2464\nidle      nowhere      0      0\n');
    assert.equal((await runFake(['nat'], { client: { nat: async () => [] } })).out, 'no NAT rules\n');
  });

  test('pin says what is where now; a refusal brings the nearest name, one word is too few', async () => {
    assert.equal((await runFake(['pin', '192.0.2.7:4000', 'web', 'a'])).out, '1 session of 192.0.2.7:4000 with web/a now\n');
    const refusal = { pin: () => Promise.reject(new ApiError(404, { code: 'NOT_FOUND', message: 'no server in director web is called b', cure: 'did you mean a?' })) };
    const { code, err } = await runFake(['pin', '192.0.2.7', 'web', 'b'], { client: refusal });
    assert.deepEqual([code, err], [EXIT.notFound, 'weir: no server in director web is called b\n  did you mean a?\n']);
    assert.equal((await runFake(['pin', '192.0.2.7', 'web'])).code, EXIT.usage);
  });

  test('events of one service are followed alone', async () => {
    const event = (seq: number, service: string) => ({ seq, atMs: NOW, kind: 'k', who: 'weir', text: `${service} ${seq}`, service });
    const client: Partial<Client> = { events: async () => [event(1, 'lvs')], stream: async (tell) => [event(2, 'health'), event(3, 'lvs')].forEach((one) => tell({ type: 'event', event: one })) };
    const { out } = await runFake(['events', '--service', 'lvs', '--follow'], { client });
    assert.deepEqual(out.match(/lvs \d|health \d/g), ['lvs 1', 'lvs 3']);
  });

  test('--watch goes on until it is stopped', async () => {
    const stop = new AbortController();
    let looks = 0;
    const { code } = await runFake(['servers', '--watch'], {
      signal: stop.signal,
      client: { servers: async () => { if (++looks === 3) stop.abort(); return [SERVER]; } },
    });
    assert.deepEqual([code, looks], [0, 3]);
  });

  test('an apply shows the plan, what it costs, and that it is not saved', async () => {
    const { out } = await runFake(['apply']);
    assert.equal(out, '+ add server a to web\n- remove server b from web\n2 live sessions would lose their server\napplied as revision 8\nit is not saved yet: weir save makes it survive a restart\n');
    assert.match((await runFake(['apply', '--confirm', '60s'])).out, /rolled back by itself at .* \(in 1m\) unless you run: weir confirm\n$/);
  });

  test('an apply of files that overwrites somebody else\'s edits says so', async () => {
    const { err } = await runFake(['apply', 'new.conf'], { files: { 'new.conf': GOOD }, client: { documents: async (stage) => ({ stage, etag: stage, documents: TEXTS }) } });
    assert.match(err, /replacing edits that were not applied yet/);
  });

  test('files with errors are told at their place in the file, and never reach the daemon', async () => {
    const { code, err, calls } = await runFake(['apply', 'new.conf'], { files: { 'new.conf': `${GOOD}nat x\n    nonsense\n` } });
    assert.equal(code, EXIT.invalid);
    assert.match(err, /^new\.conf:\d+:5: error: .*'nonsense'/m);
    assert.match(err, /weir: the configuration has errors; nothing was applied/);
    assert.deepEqual(calls, []);
  });

  test('what only the daemon finds wrong is never applied either', async () => {
    const at = { file: 'layer4.conf', line: 1, col: 1, endCol: 2 };
    const { code, err, calls } = await runFake(['apply', 'new.conf'], {
      files: { 'new.conf': GOOD },
      client: { edit: async () => ({ etag: 'e2', issues: [{ severity: 'error', code: 'unknown-section', message: 'expected a section', at }] }) },
    });
    assert.equal(code, EXIT.invalid);
    assert.match(err, /^layer4\.conf:1:1: error: expected a section\nweir: the configuration has errors/);
    assert.ok(!calls.some(([method]) => method === 'apply'));
  });

  test('a plan that cannot be applied is exit code 7', async () => {
    const { code, out } = await runFake(['plan'], { client: { plan: async () => ({ steps: [], moves: 0, issues: [], unsupported: ['mode tunnel'] }) } });
    assert.deepEqual([code, out], [EXIT.unsupported, 'nothing to change in the data plane\ncannot be applied: mode tunnel\n']);
  });
});

describe('sessions', () => {
  test('--all asks page by page, prints the heading once and every session', async () => {
    const { out, calls } = await runFake(['sessions', '--all']);
    assert.deepEqual(calls, [['sessions', { limit: 1000 }], ['sessions', { cursor: '1000', limit: 1000 }], ['sessions', { cursor: '2000', limit: 1000 }]]);
    const lines = out.trimEnd().split('\n');
    assert.equal(lines.length, 2502);
    assert.equal(lines.filter((line) => line.startsWith('DIRECTOR')).length, 1);
    assert.equal(lines.at(-1), '2500 listed of 2500');
  });

  test('--json --all is one value', async () => {
    const { out } = await runFake(['sessions', '--all', '--json']);
    const value = JSON.parse(out);
    assert.deepEqual([value.sessions.length, value.next, value.total], [2500, null, 2500]);
  });

  test('a limit above a page takes more pages and no more sessions than asked for', async () => {
    const { out, calls } = await runFake(['sessions', '--limit', '1500']);
    assert.deepEqual(calls.map(([, query]) => query), [{ limit: 1000 }, { cursor: '1000', limit: 500 }]);
    assert.match(out, /1500 listed of 2500; go on with --cursor 1500, or --all\n$/);
  });
});

describe('secrets', () => {
  test('a made token is alone on stdout', async () => {
    const { out, err } = await runFake(['token', 'create', 'ci']);
    assert.equal(out, 'weir_secret\n');
    assert.match(err, /token 'ci' \(viewer, id t1\); it is not shown again/);
  });

  test('passwd asks twice and changes nothing when the two differ', async () => {
    const good = await runFake(['passwd'], { secrets: ['one two three', 'one two three'] });
    assert.deepEqual([good.code, good.calls], [0, [['passwd', { newPassword: 'one two three' }]]]);
    const bad = await runFake(['passwd', '--user', 'eve'], { secrets: ['one two three', 'one two tree'] });
    assert.deepEqual([bad.code, bad.calls], [EXIT.failed, []]);
  });
});

describe('live output', () => {
  test('events --follow prints each event once, then what streams', async () => {
    const stop = new AbortController();
    const event = (seq: number) => ({ seq, atMs: NOW, kind: 'apply', who: 'admin', text: `event ${seq}` });
    const { out, code, calls } = await runFake(['events', '--follow', '--json'], {
      signal: stop.signal,
      client: {
        events: async () => [event(1), event(2)],
        stream: async (onMessage) => {
          onMessage({ type: 'event', event: event(2) });
          onMessage({ type: 'event', event: event(3) });
          stop.abort();
        },
      },
    });
    assert.deepEqual(out.trimEnd().split('\n').map((line) => JSON.parse(line).seq), [1, 2, 3]);
    assert.equal(code, 0);
    assert.deepEqual(calls[1]?.[3], { sinceSeq: 2 });
  });

  test('a stream that the daemon ends is exit code 3', async () => {
    assert.equal((await runFake(['events', '--follow'])).code, EXIT.unreachable);
  });
});

test('run hands its options to the daemon', async () => {
  const { code, started } = await runFake(['run', 'a.conf', 'b.conf', '--state', '/tmp/s', '--api', '127.0.0.1:0', '--workers', '2', '--sessions', '2000000', '--engine', 'userspace', '--insecure', '--demo']);
  assert.equal(code, 0);
  assert.deepEqual(started, [{
    files: ['a.conf', 'b.conf'], engine: 'userspace', state: '/tmp/s', api: '127.0.0.1:0', workers: 2, sessions: 2_000_000,
    tlsCert: undefined, tlsKey: undefined, insecure: true, passwordFile: undefined, checks: undefined, demo: true, takeover: null,
  }]);
});

test('run --takeover is a wish of its own, and or-restart the wider one', async () => {
  for (const [words, takeover] of [[['--takeover'], 'only'], [['--takeover-or-restart'], 'or-restart'], [['--takeover', '--takeover-or-restart'], 'or-restart']] as const) {
    assert.deepEqual((await runFake(['run', ...words])).started.map((o) => o.takeover), [takeover]);
  }
});
