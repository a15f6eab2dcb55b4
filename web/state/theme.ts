/** Dark or light: as the system says, or as chosen here and remembered. */
import { signal } from '@preact/signals';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'weir-theme';

export const theme = signal<Theme>(remembered());

/** Makes the page look as chosen. */
export function applyTheme(): void {
  if (theme.value === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme.value;
}

/** Goes to the next of auto, light, dark. */
export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'auto';
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Private windows may refuse: then it holds until the page is closed.
  }
  applyTheme();
}

function remembered(): Theme {
  try {
    const text = localStorage.getItem(KEY);
    return THEMES.find((one) => one === text) ?? 'auto';
  } catch {
    return 'auto';
  }
}
