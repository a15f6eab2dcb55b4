/**
 * Holds one XDP program on devices of its network namespace for as long as it runs. Arguments: object file, program, devices with commas
 * between, then NAME=HEX for each array map to fill first. Prints `ready`.
 */
import { loadBpf } from '../libbpf.ts';

const [path = '', program = '', devices = '', ...maps] = process.argv.slice(2);
const bpf = loadBpf(path);
for (const map of maps) {
  const [name = '', hex = ''] = map.split('=');
  bpf.map(name).write(Buffer.from(hex, 'hex'));
}
for (const device of devices.split(',')) bpf.attach(program, device);
// The links end with the process, and so may it when the bench's end of the pipe does.
process.stdin.resume();
process.stdout.write('ready\n');
