/** A few calls at the same time and no more: what keeps large bodies from filling the memory. */
import type { onRequestAsyncHookHandler, onResponseAsyncHookHandler, onRequestAbortAsyncHookHandler, FastifyRequest } from 'fastify';
import { ApiFault } from './errors.ts';

/** Returns hooks that let `max` calls in at the same time and refuse the next with BUSY. The guard runs before them. */
export function createSlots(max: number, what: string): {
  readonly hooks: { onRequest: onRequestAsyncHookHandler; onResponse: onResponseAsyncHookHandler; onRequestAbort: onRequestAbortAsyncHookHandler };
} {
  const held = new Set<FastifyRequest>();
  return {
    hooks: {
      onRequest: async (request) => {
        if (held.size >= max) throw new ApiFault('BUSY', `expected at most ${max} calls with ${what} at the same time`, { retryAfterS: 1 });
        held.add(request);
      },
      onResponse: async (request) => void held.delete(request),
      onRequestAbort: async (request) => void held.delete(request),
    },
  };
}
