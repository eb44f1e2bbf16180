// A mixture's router: the scores of all experts, the chosen ones with their shares, and where every position went.

import { RowCard } from './card.js';
import { colour, element, numbers, percent, prepare, text, tick } from './format.js';

// More rows than a page has room for.
const mostRows = 32;
const rowHeight = 15;
const gutter = 46;

export class Router {
  constructor(parent, routing, into, view, pick) {
    Object.assign(this, { into, view });
    const group = element(parent, 'div', 'stage');
    const main = element(group, 'div', 'stack');
    const logits = `W_router · ${into}`;
    const scores = routing.scoring === 'sparsemixer' ? `logits z = ${logits}` : `s = ${routing.scoring}(${logits})`;
    this.scores = new RowCard(main, {
      name: 'Router', formula: `${scores}, top ${routing.topK} of ${routing.experts} experts`, unit: 'expert',
      axis: `expert, of ${routing.experts}`, measure: 'best share',
    }, view, pick);
    this.map = new ExpertMap(main, pick);
    const side = element(group, 'aside', 'card side');
    side.setAttribute('aria-label', 'Chosen experts');
    element(side, 'h2', 'name', 'Chosen experts');
    this.list = element(side, 'table', 'chosen');
    const head = element(element(this.list, 'thead'), 'tr');
    for (const name of ['expert', 'score', 'share']) element(head, 'th', '', name).scope = 'col';
    this.body = element(this.list, 'tbody');
    this.sum = element(side, 'p', 'numbers sum');
    this.other = element(side, 'p', 'note');
    view.onChange(() => this.describe());
  }

  update(routing, position) {
    this.routing = routing;
    this.position = position;
    this.values = numbers(routing.scores);
    const chosen = routing.choices[position];
    this.scores.update(this.values, routing.choices.map(choice => Number(choice[0].weight)), position, {
      isSigned: this.values.some(value => value < 0), lit: chosen.map(route => route.expert),
    });
    this.map.update(routing, position);
    this.body.replaceChildren(...chosen.map(route => {
      const row = element(null, 'tr');
      row.dataset.expert = route.expert;
      element(row, 'th', '', `${route.expert}`).scope = 'row';
      element(row, 'td', '', text(this.values[route.expert]));
      const share = element(row, 'td', 'share');
      element(share, 'span', 'fill').style.width = `${Math.min(100, 100 * Math.abs(route.weight))}%`;
      element(share, 'b', '', percent(Number(route.weight)));
      return row;
    }));
    const { into } = this;
    const terms = chosen.map(route => routing.weighsInput
      ? `expert ${route.expert}(${text(Number(route.weight))} · ${into})`
      : `${text(Number(route.weight))} · expert ${route.expert}(${into})`);
    this.sum.textContent = `F = ${terms.join(' + ')}${routing.shared ? ` + shared(${into})` : ''}`;
    this.describe();
  }

  // What the chosen bar is, where the router did not choose it.
  describe() {
    const { chosen } = this.view;
    if (!this.routing) return;
    const isRouted = this.routing.choices[this.position].some(route => route.expert === chosen);
    this.other.textContent = chosen < 0 || isRouted
      ? '' : `Expert ${chosen} has the score ${text(this.values[chosen])} and was not chosen.`;
  }

  redraw() { this.map.draw(); }
}

/** Experts by positions, each cell as strong as the expert's share. */
class ExpertMap {
  constructor(parent, pick) {
    const card = element(parent, 'section', 'card row');
    card.dataset.place = 'Experts of all positions';
    const heading = element(card, 'div', 'heading');
    element(heading, 'h2', 'name', 'Experts of all positions');
    element(heading, 'span', 'formula', 'share of each chosen expert; a column is a position');
    this.canvas = element(card, 'canvas', 'map');
    this.canvas.setAttribute('role', 'img');
    this.note = element(element(card, 'div', 'foot'), 'span', 'facts');
    this.canvas.addEventListener('click', event => {
      const box = this.canvas.getBoundingClientRect();
      const position = Math.floor((event.clientX - box.left - gutter) / (box.width - gutter) * this.routing.choices.length);
      if (position >= 0 && position < this.routing.choices.length) pick(position);
    });
  }

  update(routing, position) {
    this.routing = routing;
    this.position = position;
    const tokens = new Map();
    for (const choice of routing.choices) {
      for (const route of choice) tokens.set(route.expert, (tokens.get(route.expert) ?? 0) + 1);
    }

    const isAll = routing.experts <= mostRows;
    const busiest = [...tokens.keys()].sort((a, b) => tokens.get(b) - tokens.get(a)).slice(0, mostRows).sort((a, b) => a - b);
    this.rows = isAll ? Array.from({ length: routing.experts }, (_, i) => i) : busiest;
    const most = [...tokens].reduce((best, entry) => entry[1] > best[1] ? entry : best);
    const went = `${tokens.size} of ${routing.experts} experts have positions; expert ${most[0]} has the most: ${most[1]}.`;
    this.note.textContent = isAll || tokens.size <= mostRows ? went : `${went} The ${mostRows} with most are shown.`;
    this.canvas.setAttribute('aria-label', `Shares of experts by position. ${this.note.textContent}`);
    this.canvas.style.height = `${this.rows.length * rowHeight + 20}px`;
    this.draw();
  }

  draw() {
    if (!this.routing || this.canvas.clientWidth === 0) return;
    const { context, width, height } = prepare(this.canvas);
    const { choices } = this.routing;
    const wide = (width - gutter) / choices.length;
    const most = Math.max(...choices.flat().map(route => Math.abs(route.weight))) || 1;
    const gap = wide > 6 ? 1 : 0;
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    this.rows.forEach((expert, row) => {
      context.fillStyle = colour('soft');
      context.fillText(`${expert}`, gutter - 7, (row + .5) * rowHeight);
      context.fillStyle = colour('raised');
      context.fillRect(gutter, row * rowHeight + 1, width - gutter, rowHeight - 2);
    });
    choices.forEach((choice, position) => {
      for (const route of choice) {
        const row = this.rows.indexOf(route.expert);
        if (row < 0) continue;
        context.globalAlpha = Math.min(1, .3 + .7 * Math.abs(route.weight) / most);
        context.fillStyle = colour(position === this.position ? 'accent' : 'bar');
        context.fillRect(gutter + position * wide, row * rowHeight + 1, wide - gap, rowHeight - 2);
      }
    });
    context.globalAlpha = 1;
    context.strokeStyle = colour('accent');
    context.lineWidth = 1.5;
    context.strokeRect(gutter + this.position * wide - .5, .75, Math.max(3, wide - gap + 1), this.rows.length * rowHeight - 1);
    context.fillStyle = colour('soft');
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    context.fillText('0', gutter, height - 5);
    context.textAlign = 'right';
    context.fillText(`position ${tick(choices.length - 1)}`, width, height - 5);
  }
}
