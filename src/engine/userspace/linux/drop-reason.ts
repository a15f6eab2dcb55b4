/** What a failed send counts as. */
import { DROP_ID } from '../../drops.ts';
import { EACCES, EAGAIN, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOBUFS, EPERM } from './libc.ts';

/** Returns the drop reason for a send that failed with this errno. */
export function dropReason(errno: number): number {
  switch (errno) {
    case EAGAIN:
    case ENOBUFS:
      return DROP_ID.send_full;
    case EMSGSIZE:
      return DROP_ID.too_big;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EPERM:
    case EACCES:
      return DROP_ID.unreachable;
    default:
      return DROP_ID.send_error;
  }
}

