/** Where in the pages one is: the part of the address after `#/`. */
import { signal } from '@preact/signals';

export const TABS = [
  { tab: 'overview', label: 'Overview' },
  { tab: 'layer4', label: 'LB Layer4' },
  { tab: 'nat', label: 'NAT' },
  { tab: 'services', label: 'Services' },
  { tab: 'setup', label: 'Setup' },
  { tab: 'sessions', label: 'Sessions' },
  { tab: 'logs', label: 'Logs' },
] as const;

export type Tab = (typeof TABS)[number]['tab'];

export interface Route {
  readonly tab: Tab;
  /** The director of its own page, below Overview. */
  readonly name: string | null;
  readonly query: Readonly<Record<string, string>>;
}

export const route = signal<Route>(read());

addEventListener('hashchange', () => {
  const before = route.peek();
  route.value = read();
  if (before.tab !== route.value.tab || before.name !== route.value.name) scrollTo(0, 0);
});

/** Goes to an address such as `#/director/web`. */
export function go(address: string): void {
  location.hash = address;
}

/** Returns the address of a director's page. */
export function directorAddress(name: string): string {
  return `#/director/${encodeURIComponent(name)}`;
}

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [first = '', second] = path.split('/');
  const found = TABS.find(({ tab }) => tab === first);
  if (first === 'director' && second !== undefined) return { tab: 'overview', name: decoded(second), query: {} };
  return { tab: found?.tab ?? 'overview', name: null, query: Object.fromEntries(new URLSearchParams(query)) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
