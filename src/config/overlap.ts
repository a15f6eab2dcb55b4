/** Two directors must not claim one address, port and protocol: found by sorting, so a hundred thousand directors cost no more than a sort. */
import { hostPortText } from '../net/endpoint.ts';
import { portRangeText } from '../net/ports.ts';
import type { DirectorDraft } from './draft.ts';
import type { Director } from './model.ts';
import type { Reporter } from './report.ts';

/**
 * Reports each director that shares a port with one of the same address and protocol. All ports overlap any port.
 * 0.0.0.0 and :: overlap only themselves: as with sockets, the director with the exact address wins.
 */
export function reportOverlaps(drafts: readonly DirectorDraft[], report: Reporter): void {
  const groups = new Map<string, { draft: DirectorDraft; order: number }[]>();
  drafts.forEach((draft, order) => {
    const { vip, protocol } = draft.director;
    if (!vip) return;
    const key = `${protocol}|${vip.text}`;
    const group = groups.get(key);
    if (group) group.push({ draft, order });
    else groups.set(key, [{ draft, order }]);
  });
  for (const group of groups.values()) {
    if (group.length < 2) continue;
    group.sort((a, b) => firstPort(a.draft.director) - firstPort(b.draft.director) || a.order - b.order);
    let open: Entry[] = [];
    for (const entry of group) {
      const start = firstPort(entry.draft.director);
      // Every director still open shares a port with this one, so each step costs what it reports; a full answer needs one only.
      open = open.filter(({ draft }) => lastPort(draft.director) >= start);
      for (const other of report.full ? open.slice(0, 1) : open) reportPair(other, entry, report);
      if (report.full && open.length > 0) {
        if (lastPort(entry.draft.director) > lastPort(open[0]?.draft.director ?? entry.draft.director)) open = [entry];
      } else {
        open.push(entry);
      }
    }
  }
}

type Entry = { readonly draft: DirectorDraft; readonly order: number };

/** The complaint stands at the one written later. */
function reportPair(a: Entry, b: Entry, report: Reporter): void {
  const [first, second] = a.order < b.order ? [a.draft, b.draft] : [b.draft, a.draft];
  const { director, marks } = second;
  const other = first.director;
  // Two of one name have been told so already.
  if (other.name === director.name) return;
  report.add('overlap', marks.address ?? director.at, `expected an address, port and protocol of its own, ${addressText(director)} overlaps ${addressText(other)} of director '${other.name}' at ${other.at.file}:${other.at.line}`);
}

function firstPort({ ports }: Director): number {
  return ports?.first ?? 1;
}

function lastPort({ ports }: Director): number {
  return ports?.last ?? 65_535;
}

function addressText({ vip, ports, protocol }: Director): string {
  if (!vip) return protocol.toUpperCase();
  const name = protocol.toUpperCase();
  if (!ports) return `${vip.text} ${name} (all ports)`;
  return ports.first === ports.last ? `${hostPortText(vip, ports.first)} ${name}` : `${hostPortText(vip, ports.first)}${portRangeText(ports).slice(String(ports.first).length)} ${name}`;
}
