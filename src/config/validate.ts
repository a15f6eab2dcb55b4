import type { Drafts } from './draft.ts';
import type { Reporter } from './report.ts';
export function validate(_drafts: Drafts, _report: Reporter): void {}
