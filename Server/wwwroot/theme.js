// Light or dark: as the system has it, or as the switch says, which the browser keeps.

import { forgetColours } from './format.js';

const key = 'nativeffn.theme';
const listeners = [];

/** Told after the colours have changed. */
export function onTheme(listener) { listeners.push(listener); }

/** Makes the switch work. */
export function startTheme(form) {
  const kept = read();
  if (kept) form.elements.theme.value = kept;
  apply(kept ?? 'auto');
  form.addEventListener('change', () => {
    const chosen = form.elements.theme.value;
    keep(chosen);
    apply(chosen);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
}

function apply(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  changed();
}

function changed() {
  forgetColours();
  for (const listener of listeners) listener();
}

// Storage may be forbidden, and then nothing is kept.
function read() {
  try {
    const kept = localStorage.getItem(key);
    return kept === 'light' || kept === 'dark' ? kept : null;
  } catch {
    return null;
  }
}

function keep(theme) {
  try {
    localStorage.setItem(key, theme);
  } catch {
    return;
  }
}
