/** `option httpcheck`: GET, and the status is right. The body is not read, but with `dynamic` its first bytes are. */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { hostPortText } from '../../net/endpoint.ts';
import { attempt, errorFinding, fail, msText, pass, silence, type Check, type Finding } from './attempt.ts';
import { NO_PORT } from './datagram.ts';
import { percentIn, percentText } from './weight.ts';

const HEADERS_CAP = 16 << 10;
/** Of a body, so much is looked at for a weight. */
const BODY_BYTES = 256;

/** Returns a check that gets `uri` and wants `statusCode`, or any 2xx or 3xx when that is null. */
export function httpCheck(probe: { readonly uri: string; readonly statusCode: number | null; readonly vhost: string | null; readonly dynamic: boolean }): Check {
  return (target, env) => {
    const startedMs = env.nowMs();
    return attempt(env, {
      timeoutMs: target.timeoutMs,
      onTimeout: () => silence(target.timeoutMs),
      begin: (settle) => {
        if (target.port === 0) {
          settle(NO_PORT);
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
          if (!good) settle(fail(`status ${status}, expected ${probe.statusCode ?? '200 to 399'}`));
          else if (probe.dynamic) readWeight(response, `status ${status} in ${took}`, settle);
          else settle(pass(`status ${status} in ${took}`));
        });
        get.end();
        return () => get.destroy();
      },
    });
  };
}

function readWeight(response: IncomingMessage, detail: string, settle: (finding: Finding) => void): void {
  let body = '';
  const done = (): void => {
    const percent = percentIn(body);
    settle({ ...pass(`${detail}${percentText(percent)}`), ...(percent === null ? {} : { weightPercent: percent }) });
  };
  response.setEncoding('latin1').on('data', (text: string) => {
    body = (body + text).slice(0, BODY_BYTES);
    if (body.length === BODY_BYTES) done();
  });
  response.on('end', done);
}
