import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgs, UsageError } from './args.ts';

test('without options: 100 and 1000 clients, 3 and 16 servers, weir and its three peers', () => {
  assert.deepEqual(parseArgs(['userspace']), {
    engine: 'userspace',
    clients: [100, 1000],
    servers: [3, 16],
    subjects: ['nginx', 'nginx-request', 'pen', 'dgram', 'weir', 'weir-request'],
    rounds: 1,
    sections: true,
    quick: false,
    ends: 'skb',
    json: null,
  });
});

test('every option is taken, with a blank or an equals sign', () => {
  const options = parseArgs(['userspace', '--clients', '10,20', '--servers=1', '--subjects', 'weir,routing', '--no-sections', '--json', 'out.json']);
  assert.deepEqual(options, {
    engine: 'userspace',
    clients: [10, 20],
    servers: [1],
    subjects: ['weir', 'routing'],
    rounds: 1,
    sections: false,
    quick: false,
    ends: 'skb',
    json: 'out.json',
  });
});

test('--quick makes the run small unless told otherwise', () => {
  const quick = parseArgs(['userspace', '--quick', '--servers', '16']);
  assert.ok(quick !== 'help');
  assert.deepEqual([quick.clients, quick.servers, quick.quick], [[1000], [16], true]);
});

test('servers and receiver stand as it fits what is measured, unless told otherwise', () => {
  const ends = (...argv: string[]) => (parseArgs(argv) as Exclude<ReturnType<typeof parseArgs>, 'help'>).ends;
  assert.deepEqual([ends('userspace'), ends('xdp'), ends('lvs'), ends('xdp', '--ends', 'skb'), ends('userspace', '--ends=xdp')], ['skb', 'xdp', 'xdp', 'skb', 'xdp']);
});

test('help is asked for from anywhere', () => {
  assert.equal(parseArgs(['--help']), 'help');
  assert.equal(parseArgs(['userspace', '--bogus', '-h']), 'help');
});

test('bad words are refused with what was expected', () => {
  const rows: [string[], RegExp][] = [
    [[], /`userspace`, `xdp` or `lvs`, got nothing/],
    [['ipvs'], /`userspace`, `xdp` or `lvs`, got `ipvs`/],
    [['xdp', '--rounds', '21'], /--rounds takes numbers from 1 to 20/],
    [['userspace', '--client', '3'], /unknown word `--client`/],
    [['userspace', '--clients'], /--clients needs a value, got nothing/],
    [['userspace', '--clients', '--quick'], /--clients needs a value, got `--quick`/],
    [['userspace', '--clients', '0'], /from 1 to 1000000.*`0`/],
    [['userspace', '--clients', '1e3'], /got `1e3`/],
    [['userspace', '--ends', 'tc'], /--ends takes xdp or skb, got `tc`/],
    [['userspace', '--servers', '3,,4'], /got ``/],
    [['userspace', '--servers', '201'], /from 1 to 200/],
    [['userspace', '--subjects', 'nginx,haproxy'], /unknown subject `haproxy`; known are limit, routing, nftables, nginx/],
  ];
  for (const [argv, message] of rows) {
    assert.throws(() => parseArgs(argv), (error) => error instanceof UsageError && message.test(error.message), argv.join(' '));
  }
});
