/** What an apply would change: steps in the order an engine takes them, printable, empty when nothing changes. */
import type { Desired, DesiredDirector, DesiredServer } from './desired.ts';

/** One step. `text` is the line shown to people. */
export type PlanStep =
  | { readonly op: 'add-director'; readonly director: DesiredDirector; readonly text: string }
  | { readonly op: 'remove-director'; readonly director: DesiredDirector; readonly text: string }
  | { readonly op: 'change-director'; readonly from: DesiredDirector; readonly to: DesiredDirector; readonly text: string }
  | { readonly op: 'add-server'; readonly director: string; readonly server: DesiredServer; readonly text: string }
  | { readonly op: 'remove-server'; readonly director: string; readonly server: DesiredServer; readonly text: string }
  | { readonly op: 'change-server'; readonly director: string; readonly from: DesiredServer; readonly to: DesiredServer; readonly text: string };

/** `steps` lead from what the engine showed to `next`, the whole desired state. */
export interface Plan {
  readonly steps: readonly PlanStep[];
  readonly next: Desired;
}
