/** `option httpcheck [uri] [statuscode] [vhost]`: GET, and the status is right. The body is never read. */
import { request } from 'node:http';
import { hostPortText } from '../../net/endpoint.ts';
import { attempt, cannot, errorFinding, fail, msText, pass, silence, type Check } from './attempt.ts';

const HEADERS_CAP = 16 << 10;

/** Returns a check that gets `uri` and wants `statusCode`, or any 2xx or 3xx when that is null. */
export function httpCheck(probe: { readonly uri: string; readonly statusCode: number | null; readonly vhost: string | null }): Check {
  return (target, env) => {
    const startedMs = env.nowMs();
    return attempt(env, {
      timeoutMs: target.timeoutMs,
      onTimeout: () => silence(target.timeoutMs),
      begin: (settle) => {
        if (target.port === 0) {
          settle(cannot('no port to probe: give the server a port or write `check port <p>`'));
          return () => undefined;
        }
        const get = request({
          host: target.ip.text,
          family: target.ip.family,
          port: target.port,
          path: probe.uri === '' ? '/' : probe.uri,
          agent: false,
          maxHeaderSize: HEADERS_CAP,
          ...(target.source === null ? {} : { localAddress: target.source.text }),
          headers: { host: probe.vhost ?? hostPortText(target.ip, target.port), connection: 'close', 'user-agent': 'weir-check' },
        });
        get.on('error', (cause) => {
          const { code = '' } = cause as NodeJS.ErrnoException;
          // HPE_*: the parser's; what came is not HTTP, and that is the server's fault.
          settle(code.startsWith('HPE_') ? fail(`not an HTTP answer: ${cause.message}`) : errorFinding(cause));
        });
        get.on('response', (response) => {
          const status = response.statusCode ?? 0;
          const good = probe.statusCode === null ? status >= 200 && status < 400 : status === probe.statusCode;
          const took = msText(env.nowMs() - startedMs);
          settle(good ? pass(`status ${status} in ${took}`) : fail(`status ${status}, expected ${probe.statusCode ?? '200 to 399'}`));
        });
        get.end();
        return () => get.destroy();
      },
    });
  };
}
