/** The daemon's log: JSON lines by pino, with everything that could hold a secret removed by name. */
import { pino, type DestinationStream, type Logger } from 'pino';

/** Field names whose values never reach the log, at the top of a record and one or two levels down. */
const SECRET_FIELDS = ['authorization', 'cookie', 'set-cookie', 'x-weir-csrf', 'password', 'oldPassword', 'newPassword', 'token', 'csrf'];

/** Returns a logger to `destination` (standard output by default). */
export function createLog(options: { readonly level?: string; readonly destination?: DestinationStream } = {}): Logger {
  const paths = SECRET_FIELDS.flatMap((name) => {
    const key = name.includes('-') ? `["${name}"]` : name;
    const sub = name.includes('-') ? key : `.${key}`;
    return [key, `*${sub}`, `*.*${sub}`];
  });
  const settings = { level: options.level ?? 'info', redact: { paths, censor: '[removed]' } };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}
