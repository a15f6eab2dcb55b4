/** Who is who in the rows, and what one session leaves in the counters. */
import type { DirectorPlan, Layout, ServerPlan } from '../layout.ts';

export const CLIENT = '192.0.2.7:40000';
export const CLIENT6 = '[2001:db8:2::7]:40000';
export const VIP = '198.51.100.1:53';
export const VIP6 = '[2001:db8:51::1]:53';
/** Servers, and the address of the balancer that they see under source NAT. */
export const A = '10.0.0.11:5300';
export const B = '10.0.0.12:5300';
export const A6 = '[2001:db8:10::a]:5300';
export const OWN = '10.0.0.1';
export const OWN6 = '2001:db8:10::1';

/** What server_stats and struct server hold of one live two-way session that took a port of the pool. */
export const SESSION = { created: 1, active: 1, live: 1, refs: 1, port_next: 1 } as const;
/** The same of one that has ended and rests, or lingers. */
export const ENDED = { created: 1, refs: 1, port_next: 1 } as const;

/** One director `dns` with one server `a`. */
export function one(server: Partial<ServerPlan> = {}, director: Partial<DirectorPlan> = {}, rest: Omit<Layout, 'directors'> = {}): Layout {
  return { directors: { dns: { vip: VIP, servers: { a: { at: A, ...server } }, ...director } }, ...rest };
}

export function one6(server: Partial<ServerPlan> = {}, director: Partial<DirectorPlan> = {}, rest: Omit<Layout, 'directors'> = {}): Layout {
  return { directors: { dns: { vip: VIP6, servers: { a: { at: A6, ...server } }, ...director } }, ...rest };
}

/** One director `dns` with the servers `a` and `b`, in rotation. */
export function two(director: Partial<DirectorPlan> = {}, a: Partial<ServerPlan> = {}, b: Partial<ServerPlan> = {}): Layout {
  return { directors: { dns: { vip: VIP, servers: { a: { at: A, ...a }, b: { at: B, ...b } }, ...director } } };
}
