/**
 * `option wireguardcheck`: WireGuard answers nobody whose key it does not know, so a check must not wait for a reply. The port must refuse
 * nothing, the host must be there, nobody may answer, and a companion TCP port of the same host must accept when one is named.
 */
import { fail, type Check } from './attempt.ts';
import { combine } from './combine.ts';
import { plainCheck } from './default.ts';
import { tcpCheck } from './tcp.ts';

const silent = plainCheck({ answered: fail('it answered, which WireGuard never does: something else has the port'), blind: 'WireGuard is silent by design: a companion port sees more' });

/** Returns a check that also connects to the TCP port `companion` of the same host, unless that is null. */
export function wireguardCheck({ companion }: { readonly companion: number | null }): Check {
  if (companion === null) return silent;
  return combine('all', [
    { name: 'wireguard', check: silent, port: null },
    { name: 'companion', check: tcpCheck, port: companion },
  ]);
}
