/** The contract suite on ip_vs, in the guest. Each skip has its reason; what the engine does instead is tested in instead.test.ts. */
import { after } from 'node:test';
import { createLvsEngine } from '../../src/engine/lvs/index.ts';
import { runContract } from '../contract/suite.ts';
import { createGuestWorld } from './world.ts';

const world = createGuestWorld();
after(() => world.close());

const REQUEST_REPLY = 'ip_vs counts no replies: session request-reply is Unsupported by name';
const REFUSAL = 'ip_vs tells nobody of ICMP errors: the health checks are the evidence';
const MAX = 'ip_vs has limits for servers only: session max is Unsupported by name';
const NO_DROPS = 'ip_vs counts no drops; the client gets an ICMP port unreachable';
const DROP = 'ip_vs drops datagrams of servers that are gone for all services or for none: `on … drop` is Unsupported by name';
const ONE_CLIENT = 'ip_vs ends sessions only with their server: purge by client is Unsupported by name';
const MIXED = 'in nat mode ip_vs keeps the address family: Unsupported by name';
const TWO_VIPS = 'the server sees the client itself: one client port on several VIPs of one server port is one flow to the replies of ip_vs in nat mode';
const LATE_COUNTERS = 'the kernel sums its counters every two seconds';
const IN_FLIGHT = 'a reply that is on its way when its session ends is routed as it is, past the balancer\'s address';
const TURN = 'the kernel does not show what its scheduler will do next: explain says so';

runContract({
  name: 'lvs',
  create: (onEvent) => createLvsEngine({ onEvent }),
  world,
  skip: [
    ...['an IPv6 client reaches an IPv4 server, big and empty datagrams too', 'an IPv4 client reaches an IPv6 server'].map((test) => ({ test, reason: MIXED })),
    ...[
      'request-reply: after a refusal no request goes to the server that refused', 'request-reply spreads the requests of one client port by least outstanding, and each reply arrives',
      'request-reply under leastconn leaves a slow server alone', 'request-reply ends after the stated number of replies', 'a request that waits shows its outstanding replies',
      'a session that ends without any reply counts as unanswered, one with a reply does not', 'observe shows what was applied, and applying it again is an empty plan that touches nothing',
      'one-way and request-reply datagrams leave a draining server at once',
    ].map((test) => ({ test, reason: REQUEST_REPLY })),
    ...[
      'two-way: a server that refuses is evidence at once, and the next datagram goes elsewhere', 'one-way: after a refusal every datagram goes to the servers that are left',
      'a server that refused serves again once an apply says that it is up',
    ].map((test) => ({ test, reason: REFUSAL })),
    ...['session max: one more is dropped and counted, and a place that is free again is used', 'session max holds over all workers under many clients at once', 'what came in equals what went to servers and what was dropped']
      .map((test) => ({ test, reason: MAX })),
    ...['zero servers: datagrams are dropped and counted; with one they are served', 'any sequence of datagrams, applies and purges: each answer is from an allowed server to the right client']
      .map((test) => ({ test, reason: NO_DROPS })),
    ...['on down drop', 'on drain drop', 'on remove drop', 'on remove, by disabled, drop'].map((test) => ({ test, reason: DROP })),
    ...['filters by director, server, address and address:port select exactly what they say, and so does purge', 'a purged client starts a new session from another source port'].map((test) => ({ test, reason: ONE_CLIENT })),
    ...['explain agrees with where roundrobin then sends the datagram', 'explain agrees with where maglev then sends the datagram'].map((test) => ({ test, reason: TURN })),
    ...[
      'the reply leaves from the VIP that was hit, with a director on each of several addresses', 'the reply leaves from the address that was hit, with one director on all addresses',
      'one client on several VIPs of one director has its replies kept apart',
    ].map((test) => ({ test, reason: TWO_VIPS })),
    ...['two-way: an idle session ends and the next datagram starts a new one', 'applies under traffic lose no datagram and move no session they need not'].map((test) => ({ test, reason: LATE_COUNTERS })),
    ...['down', 'drain', 'remove', 'remove, by disabled,'].map((event) => ({ test: `on ${event} keep for a time`, reason: IN_FLIGHT })),
    { test: 'persistence ends after its time without datagrams', reason: 'ip_vs lets a persistence entry outlive its time by up to a minute while a session of it lives' },
    { test: "a datagram to a session's source port from anybody but its server reaches no client", reason: "ip_vs keeps the client's address: who may reach it is not the balancer's to say" },
    { test: 'localitybased with weights 4, 4, 0: sessions go where the algorithm says', reason: 'lblc calls a server overloaded by its TCP connections alone' },
    { test: 'explain says why: a session that exists, no server, no director; and changes nothing', reason: 'ip_vs knows a server by its address: two with one address in a director are Unsupported by name' },
    { test: "close('remove') frees every port and may be called twice", reason: MIXED },
    { test: 'random with weights 1, 2, 3: shares follow the weights', reason: 'ip_vs has no such scheduler: Unsupported by name' },
    { test: 'a session view tells what the server and the client saw', reason: 'the kernel tells no traffic and no age of one connection' },
    { test: 'an occupied port is an EngineError with a cure; nothing changes and the other directors work', reason: 'ip_vs takes datagrams before any socket does; a service somebody else set is the like' },
    { test: 'a VIP that is not on this host is an EngineError with a cure, and nothing changes', reason: 'the standby of a pair has the service before it has the address' },
    { test: 'a late reply to a purged session reaches no other client', reason: "ip_vs keeps the client's address: a late reply is routed to that client itself" },
    { test: 'a late reply to an expired session reaches no other client', reason: "ip_vs keeps the client's address: a late reply is routed to that client itself" },
  ],
});
