/** The engine as the daemon sees it: calls one after the other, as the contract promises, and another engine in its place when it is replaced. */
import type { Engine } from '../engine/engine.ts';
import { createQueue } from './queue.ts';

/** Returns an engine whose calls never overlap those to the wrapped one, whatever the caller does. */
export function serialEngine(engine: Engine): Engine {
  const queue = createQueue({ maxWaiting: 10_000 });
  const { succession } = engine;
  return {
    name: engine.name,
    probe: () => queue.run(() => engine.probe()),
    unsupported: (desired) => engine.unsupported(desired),
    observe: () => queue.run(() => engine.observe()),
    apply: (plan) => queue.run(() => engine.apply(plan)),
    read: () => queue.run(() => engine.read()),
    sessions: (filter, page) => queue.run(() => engine.sessions(filter, page)),
    purge: (filter) => queue.run(() => engine.purge(filter)),
    pin: (request) => queue.run(() => engine.pin(request)),
    explain: (query) => queue.run(() => engine.explain(query)),
    close: (how) => queue.run(() => engine.close(how)),
    succession: succession && { terms: () => queue.run(() => succession.terms()), handOver: (give) => queue.run(() => succession.handOver(give)) },
  };
}
