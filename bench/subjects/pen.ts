/** pen in UDP mode. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { hostPortText } from '../../src/net/endpoint.ts';
import { tryRun } from '../command.ts';
import { startProcess } from './process.ts';
import { PROXY, type Subject } from './subject.ts';

const ARGV = ['pen', '-f', '-U', '-r', '-c', '65536', '-x', '60000', '-O', 'epoll'];

/** pen as a subject: round robin without client tracking (`-r`), epoll, room for every client. */
export const pen: Subject = {
  name: 'pen',
  ...PROXY,
  version: () => {
    // pen has no option that prints its version.
    const version = tryRun('dpkg-query', ['-W', '-f', '${Version}', 'pen'])?.trim();
    if (version) return { ok: true, version };
    const found = existsSync('/usr/bin/pen') || spawnSync('pen', ['-h']).error === undefined;
    return found ? { ok: true, version: 'unknown' } : { ok: false, why: 'pen is not installed: apt-get install pen' };
  },
  start: (topology) =>
    startProcess(topology, [
      ...ARGV,
      hostPortText(topology.vip.ip, topology.vip.port),
      ...topology.serverEndpoints.map((server) => hostPortText(server.ip, server.port)),
    ]),
};
