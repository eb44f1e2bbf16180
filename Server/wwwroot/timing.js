// Where the time of a forward went.

import { element, percent, text } from './format.js';

const names = { gemm: 'GEMM', activation: 'activation', residual: 'residual', norm: 'norms', routing: 'routing', other: 'other' };

/** Fills the card. */
export function showTiming(card, timing, tokens) {
  const known = timing.steps.reduce((sum, step) => sum + step.ms, 0);
  const rest = Math.max(0, timing.threadMs - known);
  const steps = [...timing.steps, { name: 'other', ms: rest, share: timing.threadMs > 0 ? rest / timing.threadMs : 0 }];
  card.querySelector('.total').textContent = `${text(timing.elapsedMs)} ms`;
  card.querySelector('.note').textContent =
    `Wall time of one forward of ${tokens === 1 ? 'the position' : `all ${tokens} positions`}; below, ${text(timing.threadMs)} ms of work `
    + `on up to ${timing.threads === 1 ? 'one thread' : `${timing.threads} threads`}.`;
  card.querySelector('tbody').replaceChildren(...steps.map(step => {
    const row = element(null, 'tr');
    element(row, 'th', '', names[step.name] ?? step.name).scope = 'row';
    const bar = element(element(row, 'td', 'share'), 'span', 'fill');
    bar.style.width = `${100 * step.share}%`;
    element(row, 'td', '', step.ms.toFixed(3));
    element(row, 'td', '', percent(step.share));
    return row;
  }));
}
