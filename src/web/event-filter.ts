/** Which events a log shows. */
import type { EventView } from '../client/types.ts';

export interface EventFilter {
  /** Words that must all stand in the event, in any order and case. */
  readonly words: string;
  /** Empty: all. */
  readonly kind: string;
  /** A service as events name it; empty: all. */
  readonly service: string;
}

/** Returns the events that match, newest first. */
export function matchingEvents(events: readonly EventView[], filter: EventFilter): readonly EventView[] {
  const words = filter.words.toLowerCase().split(/\s+/).filter((word) => word !== '');
  return events.filter((event) => {
    if (filter.kind !== '' && event.kind !== filter.kind) return false;
    if (filter.service !== '' && event.service !== filter.service) return false;
    if (words.length === 0) return true;
    const text = `${event.kind} ${event.who} ${event.text} ${event.director ?? ''} ${event.server ?? ''} ${event.service ?? ''}`.toLowerCase();
    return words.every((word) => text.includes(word));
  }).toReversed();
}
