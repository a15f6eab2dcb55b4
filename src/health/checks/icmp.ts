/** `option icmpcheck`: the host answers an echo request. Says nothing of the service on it. */
import { attempt, msText, silence, type Check } from './attempt.ts';

/** A check that sends one ICMP echo request. */
export const icmpCheck: Check = (target, env) => {
  const startedMs = env.nowMs();
  return attempt(env, {
    timeoutMs: target.timeoutMs,
    onTimeout: () => silence(target.timeoutMs),
    begin: (settle) =>
      env.icmp.echo({
        ip: target.ip,
        source: target.source,
        answer: (finding) => settle(finding.ok ? { ...finding, detail: `${finding.detail} in ${msText(env.nowMs() - startedMs)}` } : finding),
      }),
  });
};
