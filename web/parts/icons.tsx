/** The few pictures of the pages, drawn with the text's own colour. */
import type { ComponentChildren } from 'preact';

function Icon({ children }: { readonly children: ComponentChildren }) {
  return <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{children}</svg>;
}

export const Up = () => <Icon><path d="M8 13V3M4 7l4-4 4 4" /></Icon>;
export const Down = () => <Icon><path d="M8 3v10M4 9l4 4 4-4" /></Icon>;
export const Edit = () => <Icon><path d="M3 13l.6-2.8 7-7 2.2 2.2-7 7z" /></Icon>;
export const Remove = () => <Icon><path d="M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.5 8.5h6l.5-8.5" /></Icon>;
export const Close = () => <Icon><path d="M4 4l8 8M12 4l-8 8" /></Icon>;
export const Plus = () => <Icon><path d="M8 3v10M3 8h10" /></Icon>;
export const Undo = () => <Icon><path d="M6 3L3 6l3 3M3 6h6.5a3.5 3.5 0 010 7H6" /></Icon>;
export const Redo = () => <Icon><path d="M10 3l3 3-3 3M13 6H6.5a3.5 3.5 0 000 7H10" /></Icon>;
export const Theme = () => <Icon><circle cx="8" cy="8" r="5.2" /><path d="M8 2.8a5.2 5.2 0 010 10.4z" fill="currentColor" /></Icon>;
export const More = () => <Icon><circle cx="3.5" cy="8" r="0.8" fill="currentColor" /><circle cx="8" cy="8" r="0.8" fill="currentColor" /><circle cx="12.5" cy="8" r="0.8" fill="currentColor" /></Icon>;
export const Back = () => <Icon><path d="M10 3L5 8l5 5" /></Icon>;
export const Logo = () => (
  <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="6" fill="#0b6e8f" />
    <path d="M5 11h22M8 11v5m5.3-5v9m5.4-9v9M24 11v5" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round" />
    <path d="M5 25q2.75-2.5 5.5 0t5.5 0 5.5 0 5.5 0" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round" />
  </svg>
);
