/** nginx stream (Debian's nginx-light with libnginx-mod-stream), one worker. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { hostPortText } from '../../src/net/endpoint.ts';
import type { Topology } from '../topology/topology.ts';
import { startProcess, type RunningSubject, type Subject } from './subject.ts';

const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** nginx as a subject, with sessions that last: what weir's two-way sessions are. */
export const nginx: Subject = nginxSubject('nginx', '');

/** nginx as its documentation sets DNS up: the session ends with the first reply, so that every datagram makes a new one (weir's request-reply). */
export const nginxRequest: Subject = nginxSubject('nginx-request', '    proxy_requests 1;\n    proxy_responses 1;\n');

function nginxSubject(name: string, sessionLines: string): Subject {
  return { name, version: nginxVersion, start: (topology) => startNginx(topology, sessionLines) };
}

function nginxVersion(): ReturnType<Subject['version']> {
  const text = spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr ?? '';
  const version = /nginx\/(\S+)/.exec(text)?.[1];
  if (version === undefined || !existsSync(MODULE)) return { ok: false, why: 'nginx with its stream module is not installed: apt-get install nginx-light libnginx-mod-stream' };
  return { ok: true, version };
}

async function startNginx(topology: Topology, sessionLines: string): Promise<RunningSubject> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-nginx-'));
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(topology, folder, sessionLines));
  return startProcess(topology, ['nginx', '-p', folder, '-e', join(folder, 'error.log'), '-c', file], () => rmSync(folder, { recursive: true, force: true }));
}

/** Tuned: no logs, small session buffers, no time-outs or failure marks in the way, as many connections as there can be sessions. */
function configuration(topology: Topology, folder: string, sessionLines: string): string {
  const servers = topology.serverEndpoints.map((server) => `    server ${hostPortText(server.ip, server.port)} max_fails=0;`);
  return `load_module ${MODULE};
user root;
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events {
  use epoll;
  multi_accept on;
  worker_connections 131072;
}
stream {
  upstream servers {
${servers.join('\n')}
  }
  server {
    listen ${hostPortText(topology.vip.ip, topology.vip.port)} udp reuseport;
    proxy_pass servers;
    proxy_timeout 600s;
    proxy_buffer_size 2k;
${sessionLines}  }
}
`;
}
