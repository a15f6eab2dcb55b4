/** The plain node:dgram proxy. */
import { join } from 'node:path';
import { hostPortText } from '../../src/net/endpoint.ts';
import { startProcess } from './process.ts';
import { PROXY, type Subject } from './subject.ts';

/** bench/peers/dgram-proxy.ts as a subject. */
export const dgram: Subject = {
  name: 'dgram',
  ...PROXY,
  version: () => ({ ok: true, version: `node ${process.versions.node}` }),
  start: (topology) =>
    startProcess(topology, [
      process.execPath,
      join(import.meta.dirname, '../peers/dgram-proxy.js'),
      hostPortText(topology.vip.ip, topology.vip.port),
      ...topology.serverEndpoints.map((server) => hostPortText(server.ip, server.port)),
    ]),
};
