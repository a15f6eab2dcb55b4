/** One sender that never pauses and gets no answer: rsyslog behind a one-way director. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { local } from '../fixtures/loopback.ts';
import { needs } from '../fixtures/needs.ts';
import { succeed, temporaryDirectory } from '../fixtures/process.ts';
import { startRsyslog, type Rsyslog } from '../fixtures/rsyslog.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5514 };
const CONF = `director syslog ${VIP.ip}:${VIP.port} UDP
    session one-way
    server one ${local(21)}:5514
    server two ${local(22)}:5514
`;
/** Messages under way at most: what a receive buffer of the usual size holds. */
const WINDOW = 100;

/** Returns a function that sends messages `<word> 0` to `<word> n-1` from one socket, never more than WINDOW ahead of the receivers. */
async function sender(scope: Scope, receivers: readonly Rsyslog[]): Promise<(word: string, count: number) => Promise<void>> {
  const socket = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind({ address: local(99), port: 5999 }, resolve));
  scope.defer(() => new Promise((resolve) => void socket.close(() => resolve())));
  const received = async (word: string): Promise<number> => (await Promise.all(receivers.map((receiver) => receiver.messages()))).flat().filter((line) => line.startsWith(`${word} `)).length;
  return async (word, count) => {
    for (let i = 0; i < count; i++) {
      if (i % WINDOW === 0 && i > 0) await until(`${i} messages written`, () => received(word), (n) => n >= i);
      await new Promise<void>((resolve, reject) => socket.send(`<13>Nov 22 10:00:00 host app: ${word} ${i}`, VIP.port, VIP.ip, (error) => (error ? reject(error) : resolve())));
    }
    await until(`all ${count} messages written`, () => received(word), (n) => n >= count);
  };
}

function numbered(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${word} ${i}`).toSorted();
}

test('every message of one sender arrives exactly once, half at each receiver, and all at one once the other is disabled', needs('rsyslogd', 'logger'), () => withScope(async (scope) => {
  const one = await startRsyslog(scope, { ip: local(21), port: 5514 });
  const two = await startRsyslog(scope, { ip: local(22), port: 5514 });
  const weir = await startWeir(scope, { conf: CONF });
  const send = await sender(scope, [one, two]);
  const of = async (receiver: Rsyslog, word: string): Promise<string[]> => (await receiver.messages()).filter((line) => line.startsWith(`${word} `));

  await send('spread', 2000);
  const [first, second] = [await of(one, 'spread'), await of(two, 'spread')];
  assert.deepEqual([...first, ...second].toSorted(), numbered('spread', 2000), 'each exactly once');
  assert.deepEqual([first.length, second.length], [1000, 1000], 'each datagram is scheduled by itself');

  const disabled = await weir.cli('disable', 'syslog', 'one');
  assert.equal(disabled.code, 0, disabled.output);
  await send('alone', 300);
  assert.deepEqual([(await of(one, 'alone')).length, (await of(two, 'alone')).toSorted()], [0, numbered('alone', 300)]);
  assert.equal((await weir.cli('reset', 'syslog', 'one')).code, 0);

  // logger(1) has a socket of its own and sends as fast as it reads.
  const lines = join(await temporaryDirectory(scope), 'lines');
  await writeFile(lines, Array.from({ length: WINDOW }, (_, i) => `logger ${i}\n`).join(''));
  await succeed(scope, ['logger', '--udp', '--rfc3164', '--server', VIP.ip, '--port', String(VIP.port), '--file', lines]);
  await until('what logger sent is written', async () => (await of(one, 'logger')).length + (await of(two, 'logger')).length, (n) => n >= WINDOW);
  const logged = [await of(one, 'logger'), await of(two, 'logger')];
  assert.deepEqual(logged.flat().toSorted(), numbered('logger', WINDOW));
  assert.deepEqual(logged.map((list) => list.length), [WINDOW / 2, WINDOW / 2]);

  const [director] = (await weir.counted()).directors;
  assert.deepEqual([director?.packetsIn, director?.packetsOut, director?.sessions], [2400, 0, 0], 'nothing is kept of a one-way sender');
}));
