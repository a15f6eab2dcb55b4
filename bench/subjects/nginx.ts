/** nginx stream (Debian's nginx-light with libnginx-mod-stream): one worker, or as many as hold a socket a client under `ulimit -Hn`. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { hostPortText } from '../../src/net/endpoint.ts';
import { hardDescriptors } from '../machine.ts';
import type { Topology } from '../topology/topology.ts';
import { startProcess } from './process.ts';
import { PROXY, type RunningSubject, type Subject } from './subject.ts';

/** Of those there are (64,512), some must stay free or the kernel searches long for one. */
const PORTS_OF_AN_ADDRESS = 50_000;
const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** nginx as a subject, with sessions that last: what weir's two-way sessions are. */
export const nginx: Subject = nginxSubject('nginx', '');

/** nginx as its documentation sets DNS up: the session ends with the first reply, so that every datagram makes a new one (weir's request-reply). */
export const nginxRequest: Subject = nginxSubject('nginx-request', '    proxy_requests 1;\n    proxy_responses 1;\n');

function nginxSubject(name: string, sessionLines: string): Subject {
  return { name, ...PROXY, version: nginxVersion, start: (topology, load) => startNginx(topology, load.clients, sessionLines) };
}

function nginxVersion(): ReturnType<Subject['version']> {
  const text = spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr ?? '';
  const version = /nginx\/(\S+)/.exec(text)?.[1];
  if (version === undefined || !existsSync(MODULE)) return { ok: false, why: 'nginx with its stream module is not installed: apt-get install nginx-light libnginx-mod-stream' };
  return { ok: true, version };
}

async function startNginx(topology: Topology, clients: number, sessionLines: string): Promise<RunningSubject> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-nginx-'));
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(topology, clients, folder, sessionLines));
  return startProcess(topology, ['nginx', '-p', folder, '-e', join(folder, 'error.log'), '-c', file], { afterStop: () => rmSync(folder, { recursive: true, force: true }) });
}

/** A session takes a port of the balancer; more of them than an address has are spread over its addresses, each client always to the same. */
function spreadSources(topology: Topology): { map: string; bind: string } {
  const sources = topology.sourceAddresses.map(({ text }, i, all) => `    ${i === all.length - 1 ? '*' : `${Math.floor(100 / all.length)}%`} ${text};\n`);
  return { map: `  split_clients "$remote_addr:$remote_port" $source {\n${sources.join('')}  }\n`, bind: '    proxy_bind $source;\n' };
}

/** Tuned: no logs, small session buffers, no time-outs or failure marks in the way, as many connections as there can be sessions. */
function configuration(topology: Topology, clients: number, folder: string, sessionLines: string): string {
  // Reuseport gives each worker its share of the clients, more or less.
  const workers = Math.max(1, Math.ceil((1.2 * clients) / (hardDescriptors() || clients)));
  const spread = clients > PORTS_OF_AN_ADDRESS ? spreadSources(topology) : { map: '', bind: '' };
  const servers = topology.serverEndpoints.map((server) => `    server ${hostPortText(server.ip, server.port)} max_fails=0;`);
  return `load_module ${MODULE};
user root;
daemon off;
worker_processes ${workers};
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events {
  use epoll;
  multi_accept on;
  worker_connections 300000;
}
stream {
${spread.map}  upstream servers {
${servers.join('\n')}
  }
  server {
    listen ${hostPortText(topology.vip.ip, topology.vip.port)} udp reuseport;
    proxy_pass servers;
    proxy_timeout 600s;
    proxy_buffer_size 2k;
${spread.bind}${sessionLines}  }
}
`;
}
