/** The parts of weir that start, stop, restart and reload, by name, as the Services tab shows them. */
import type { ServiceAction, ServiceView } from '../client/types.ts';
import type { ServiceConfig } from '../config/model.ts';

/** One part. Actions throw when they fail; what they throw becomes `lastError`. */
export interface Lifecycle {
  readonly name: string;
  readonly instance: string | null;
  /** One line for people: what this part does now. */
  text(): string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Default: stop, then start. */
  restart?(): Promise<void>;
  /** Default: as restart. */
  reload?(): Promise<void>;
}

export interface ServiceRegistry {
  /** Adds a part in state `running` or `stopped`. Throws when the name and instance are taken. */
  register(part: Lifecycle, state: 'running' | 'stopped'): void;
  /** Takes a part off the list without acting on it. */
  unregister(name: string, instance: string | null): void;
  /** Sets what a part is without acting on it: for parts whose state changes by themselves. */
  mark(name: string, instance: string | null, state: ServiceView['state'], error?: string): void;
  /** Returns all parts by name, with what `configured` says of them; sections without a part of weir come as stopped. */
  views(configured: readonly ServiceConfig[]): readonly ServiceView[];
  has(name: string, instance: string | null): boolean;
  names(): readonly string[];
  /** Runs an action; throws what the part threw, after noting it. */
  act(name: string, instance: string | null, action: ServiceAction): Promise<void>;
}

interface Entry { readonly part: Lifecycle; state: ServiceView['state']; sinceMs: number; lastError: string | null }

/** Returns an empty registry. */
export function createServiceRegistry(options: { readonly now: () => number }): ServiceRegistry {
  const entries = new Map<string, Entry>();
  const keyOf = (name: string, instance: string | null): string => (instance === null ? name : `${name} ${instance}`);

  function set(entry: Entry, state: ServiceView['state'], error: string | null): void {
    if (entry.state !== state) entry.sinceMs = options.now();
    entry.state = state;
    entry.lastError = error;
  }

  async function run(part: Lifecycle, action: ServiceAction): Promise<void> {
    switch (action) {
      case 'start':
        return part.start();
      case 'stop':
        return part.stop();
      case 'reload':
        if (part.reload) return part.reload();
        return run(part, 'restart');
      case 'restart':
        if (part.restart) return part.restart();
        await part.stop();
        return part.start();
      default:
        return action satisfies never;
    }
  }

  return {
    register(part, state) {
      const key = keyOf(part.name, part.instance);
      if (entries.has(key)) throw new Error(`service ${key} is registered already`);
      entries.set(key, { part, state, sinceMs: options.now(), lastError: null });
    },
    unregister: (name, instance) => void entries.delete(keyOf(name, instance)),
    mark(name, instance, state, error) {
      const entry = entries.get(keyOf(name, instance));
      if (entry) set(entry, state, error ?? null);
    },
    views(configured) {
      const sections = new Map(configured.map((s) => [keyOf(s.name, s.instance), s]));
      const own = [...entries].map(([key, { part, state, sinceMs, lastError }]): ServiceView => {
        const autostart = sections.get(key)?.autostart ?? true;
        return { name: part.name, instance: part.instance, state, autostart, sinceMs, lastError, text: part.text() };
      });
      const others = configured
        .filter((s) => !entries.has(keyOf(s.name, s.instance)))
        .map((s): ServiceView => ({ name: s.name, instance: s.instance, state: 'stopped', autostart: s.autostart, sinceMs: 0, lastError: null, text: 'weir has no such part; the section is kept as written' }));
      const order = (v: ServiceView): string => keyOf(v.name, v.instance);
      return [...own, ...others].sort((a, b) => (order(a) < order(b) ? -1 : 1));
    },
    has: (name, instance) => entries.has(keyOf(name, instance)),
    names: () => [...entries.keys()].sort(),
    async act(name, instance, action) {
      const entry = entries.get(keyOf(name, instance));
      if (!entry) throw new Error(`no service ${keyOf(name, instance)}`);
      try {
        await run(entry.part, action);
        set(entry, action === 'stop' ? 'stopped' : 'running', null);
        if (action !== 'stop') entry.sinceMs = options.now();
      } catch (error) {
        // A refused action does not say that the part stopped; one that could not even start is no running part.
        if (action === 'start' && entry.state === 'stopped') set(entry, 'failed', null);
        entry.lastError = error instanceof Error ? error.message : String(error);
        throw error;
      }
    },
  };
}
