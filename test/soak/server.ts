/**
 * A server of a soak: `server <name> <address>/<port>…`. It says of each datagram that it has it, at once and before it answers, so that what it got
 * is known also when it is killed; `mute <ms>` on standard input: it does not answer its checks for so long.
 */
import { writeSync } from 'node:fs';
import dgram from 'node:dgram';
import { createInterface } from 'node:readline';
import { monotonicMs } from './wire.ts';

const [name = '', ...places] = process.argv.slice(2);
let mutedUntilMs = 0;
let open = 0;

for (const [address = '', port] of places.map((place) => place.split('/'))) {
  const socket = dgram.createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
  socket.on('message', (data, from) => {
    const text = data.toString();
    if (text === 'check') {
      if (monotonicMs() >= mutedUntilMs) socket.send('alive', from.port, from.address, () => undefined);
      return;
    }
    const [id = '', wants = ''] = text.split('|');
    writeSync(1, `${id} ${monotonicMs().toFixed(1)}\n`);
    if (wants === 'a') socket.send(`${name}|${id}`, from.port, from.address, () => undefined);
  });
  socket.on('error', (error) => {
    throw error;
  });
  socket.bind({ address, port: Number(port), exclusive: true }, () => {
    if (++open === places.length) writeSync(1, 'ready\n');
  });
}
createInterface({ input: process.stdin }).on('line', (line) => {
  mutedUntilMs = monotonicMs() + Number(line.slice('mute '.length));
}).on('close', () => process.exit(0));
