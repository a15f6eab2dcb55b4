/**
 * Where the program runs. All interfaces in one mode: a frame that a native program redirects to a device whose driver knows no XDP is
 * lost, while generic ones send by any device.
 */
import { BpfError, EBUSY, EPERM } from './bpf-error.ts';
import type { HostLink } from './host.ts';
import type { Kernel } from './kernel.ts';
import type { XdpMode } from './libbpf.ts';

/** What `attachAll` did: in which mode, and why not natively. */
export interface Attached {
  readonly mode: XdpMode;
  readonly why: string | null;
}

/**
 * Runs the program on all of `links`. `wanted` null: natively where every driver can, else in generic mode. What was attached before a
 * refusal is detached again. Throws BpfError.
 */
export function attachAll(kernel: Kernel, links: readonly HostLink[], wanted: XdpMode | null): Attached {
  const running = kernel.attached();
  const mode = wanted ?? (running.some((a) => a.mode === 'generic') ? 'generic' : 'native');
  try {
    attachMissing(kernel, links, mode);
    return { mode, why: null };
  } catch (error) {
    // Busy or not allowed: generic mode would be refused as well, and for the same reason.
    if (!(error instanceof BpfError) || wanted !== null || mode === 'generic' || error.errno === EBUSY || error.errno === EPERM) throw error;
    for (const { ifindex } of running) kernel.detach(ifindex);
    attachMissing(kernel, links, 'generic');
    return { mode: 'generic', why: error.message };
  }
}

/** Takes the program off every interface that is not among `links`. */
export function detachOthers(kernel: Kernel, links: readonly HostLink[]): void {
  const keep = new Set(links.map((l) => l.ifindex));
  for (const { ifindex } of kernel.attached()) if (!keep.has(ifindex)) kernel.detach(ifindex);
}

function attachMissing(kernel: Kernel, links: readonly HostLink[], mode: XdpMode): void {
  const running = new Map(kernel.attached().map((a) => [a.ifindex, a.mode]));
  const done: number[] = [];
  try {
    for (const { ifindex, name } of links) {
      if (running.get(ifindex) === mode) continue;
      if (running.has(ifindex)) kernel.detach(ifindex);
      kernel.attach(ifindex, mode, name);
      done.push(ifindex);
    }
  } catch (error) {
    for (const ifindex of done) kernel.detach(ifindex);
    throw error;
  }
}
