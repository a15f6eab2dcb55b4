/** Bad input and bad luck at apply, and what of it run.test.ts does not show at start: refused with every reason and its cure, and nothing half done. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSocket, type Socket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { needs } from '../fixtures/needs.ts';
import { withScope } from '../fixtures/scope.ts';
import { refusedWeir, startWeir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5300 };
const OTHER = { ip: local(2), port: 5300 };
const SERVER = { ip: local(11), port: 5301 };
const GOOD = `director echo ${VIP.ip}:${VIP.port} UDP\n    server one ${SERVER.ip}:${SERVER.port}\n`;
const BAD = `director echo ${VIP.ip}:${VIP.port} UDP
    balnce leastconn
    server one ${SERVER.ip}:70000
    check intervall 5s
nat x
    after sorce 192.0.2.1
`;
/** Each error of BAD: where, and what was meant. */
const BAD_ERRORS = [/weir.conf:2:5: error: .*'balance'/, /weir.conf:3:16: error: .*70000/, /weir.conf:4:11: error: .*'interval'/, /weir.conf:6:11: error: .*'source'/];
/** Root without a single capability may read its own files and do no more than any user. */
const UNPRIVILEGED = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'] : [];
const unprivileged = needs(...UNPRIVILEGED.slice(0, 1));

async function ask(client: Socket, vip = VIP): Promise<string> {
  await client.send('hello', vip);
  const { text, from } = await client.inbox.take();
  assert.equal(from, `${vip.ip}:${vip.port}`);
  return text;
}

test('an unparsable file at apply is refused with exit code 2 and every error, and what runs goes on untouched', () => withScope(async (scope) => {
  const server = await openSocket(scope, { ...SERVER, tag: 'one' });
  const weir = await startWeir(scope, { conf: GOOD });
  const client = await openSocket(scope, { ip: local(99) });
  assert.equal(await ask(client), 'one:hello');
  const before = await weir.client.status();

  const refused = await weir.cli('apply', await weir.file('weir.conf', BAD));
  assert.equal(refused.code, 2, refused.output);
  for (const error of BAD_ERRORS) assert.match(refused.output, error);
  const status = await weir.counted();
  assert.deepEqual(status.etags, before.etags, 'edited, running and saved are what they were');
  assert.equal((await weir.client.documents('running')).documents.layer4, GOOD);
  assert.equal(await ask(client), 'one:hello');
  const [first, second] = server.inbox.all.map(({ from }) => from);
  assert.equal(second, first, 'the session is the same one');
  assert.equal(status.directors[0]?.sessionsCreated, 1);
}));

/** What goes wrong with an address, at start and at apply alike. */
const ADDRESSES = [
  { what: 'an address that is not of this host', vip: '203.0.113.77:5300', message: /203\.0\.113\.77 is not an address of this host/, cure: /ip address add 203\.0\.113\.77\/32 dev <iface>/, prefix: [], options: needs() },
  { what: 'a low port without permission', vip: `${local(3)}:53`, message: /no permission to bind UDP \S+:53/, cure: /ip_unprivileged_port_start=53, or setcap cap_net_bind_service/, prefix: UNPRIVILEGED, options: unprivileged },
] as const;

for (const { what, vip, message, cure, prefix, options } of ADDRESSES) {
  test(`${what} names the cure, at start and at apply`, options, () => withScope(async (scope) => {
    const conf = `director other ${vip} UDP\n    server one ${SERVER.ip}:${SERVER.port}\n`;
    const refused = await refusedWeir(scope, { conf, prefix });
    assert.equal(refused.code, 1, refused.output);
    assert.match(refused.output, message);
    assert.match(refused.output, cure);

    await openSocket(scope, { ...SERVER, tag: 'one' });
    const weir = await startWeir(scope, { conf: GOOD, prefix });
    const client = await openSocket(scope, { ip: local(99) });
    assert.equal(await ask(client), 'one:hello');
    const apply = await weir.cli('apply', await weir.file('other.conf', GOOD + conf));
    assert.equal(apply.code, 1, apply.output);
    assert.match(apply.output, message);
    assert.match(apply.output, cure);
    assert.deepEqual((await weir.client.status()).directors.map(({ name }) => name), ['echo'], 'nothing of it runs');
    assert.equal(await ask(client), 'one:hello');
  }));
}

test('an occupied port names the cure, whoever has it: a program, or another weir', () => withScope(async (scope) => {
  const occupied = /UDP \S+:5300 is occupied by another program/;
  const cure = /ss -ulpn 'sport = :5300'/;
  await openSocket(scope, OTHER);
  const taken = await refusedWeir(scope, { conf: GOOD.replace(VIP.ip, OTHER.ip) });
  assert.equal(taken.code, 1, taken.output);
  assert.match(taken.output, occupied);
  assert.match(taken.output, cure);

  await openSocket(scope, { ...SERVER, tag: 'one' });
  const weir = await startWeir(scope, { conf: GOOD });
  const client = await openSocket(scope, { ip: local(99) });
  const apply = await weir.cli('apply', await weir.file('two.conf', `${GOOD}director other ${OTHER.ip}:${OTHER.port} UDP\n    server one ${SERVER.ip}:${SERVER.port}\n`));
  assert.equal(apply.code, 1, apply.output);
  assert.match(apply.output, occupied);

  // The workers of one weir share a port; two weirs of one user must not.
  const second = await refusedWeir(scope, { conf: GOOD });
  assert.equal(second.code, 1, second.output);
  assert.match(second.output, occupied);
  assert.match(second.output, cure);
  for (let i = 0; i < 20; i++) assert.equal(await ask(client), 'one:hello');
}));

test('without any privilege it balances on ports that need none, and SIGTERM ends it with exit code 0', unprivileged, () => withScope(async (scope) => {
  await openSocket(scope, { ...SERVER, tag: 'one' });
  const weir = await startWeir(scope, { conf: GOOD, prefix: UNPRIVILEGED });
  assert.equal(await ask(await openSocket(scope, { ip: local(99) })), 'one:hello');
  assert.deepEqual(await weir.process.stop(), { code: 0, signal: null });
  const port = await openSocket(scope, VIP);
  assert.equal(port.port, VIP.port, 'the VIP is free again');
}));
