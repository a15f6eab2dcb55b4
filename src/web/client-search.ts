/** What is typed as a client, while it is typed. */
import { parseEndpoint } from '../net/endpoint.ts';
import { parseIp } from '../net/ip.ts';

/** Returns whether the text is nothing, a whole client (an address, or address:port), or not one yet. */
export function clientState(text: string): 'none' | 'whole' | 'partial' {
  const client = text.trim();
  if (client === '') return 'none';
  return parseIp(client) !== undefined || parseEndpoint(client) !== undefined ? 'whole' : 'partial';
}

/** Returns the address of a client without its port: `192.0.2.7`, `2001:db8::7`. */
export function clientAddress(client: string): string {
  return parseEndpoint(client)?.ip.text ?? client;
}
