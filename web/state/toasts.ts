/** Short messages at the corner of the page: what happened, and the way back when there is one. */
import { signal } from '@preact/signals';

export interface Toast {
  readonly id: number;
  readonly kind: 'good' | 'info' | 'bad';
  readonly text: string;
  readonly detail?: string | undefined;
  readonly action?: { readonly label: string; readonly run: () => void } | undefined;
}

export const toasts = signal<readonly Toast[]>([]);

const MOST = 4;
const GOOD_MS = 6000;
const ACTION_MS = 15_000;
let last = 0;

/** Shows a message; bad ones stay until closed. */
export function toast(message: Omit<Toast, 'id'>): void {
  const id = ++last;
  toasts.value = [...toasts.value, { ...message, id }].slice(-MOST);
  if (message.kind !== 'bad') setTimeout(() => closeToast(id), message.action === undefined ? GOOD_MS : ACTION_MS);
}

export function closeToast(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}
