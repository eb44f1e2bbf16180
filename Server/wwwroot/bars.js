// A row of numbers as signed bars: a window of it in detail, and the whole of it in a strip below. Rows of the same space (the model's
// width, or a stage's) share a window and a cursor.

import { colour, extent, facts, prepare, text } from './format.js';

const leastShown = 8;
const gutter = 52;

/** The window and the cursor that several rows share. */
export class View {
  constructor(length) {
    this.length = length;
    this.first = 0;
    this.count = length;
    this.cursor = -1;
    this.listeners = [];
  }

  onChange(listener) { this.listeners.push(listener); }

  show(first, count) {
    this.count = Math.min(this.length, Math.max(Math.min(leastShown, this.length), Math.round(count)));
    this.first = Math.min(this.length - this.count, Math.max(0, Math.round(first)));
    this.changed();
  }

  zoom(factor, at) {
    const share = (at - this.first) / this.count;
    const count = Math.min(this.length, Math.max(leastShown, this.count * factor));
    this.show(at - share * count, count);
  }

  point(cursor) {
    if (cursor === this.cursor) return;
    this.cursor = cursor;
    this.changed();
  }

  // The keyboard takes the window along.
  walk(cursor) {
    this.cursor = Math.min(this.length - 1, Math.max(0, cursor));
    if (this.cursor < this.first || this.cursor >= this.first + this.count) this.show(this.cursor - this.count / 2, this.count);
    else this.changed();
  }

  changed() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      for (const listener of this.listeners) listener();
    });
  }
}

/** One row on the page. */
export class Bars {
  constructor(parent, name, formula, values, view) {
    this.name = name;
    this.values = values;
    this.view = view;
    this.scale = extent(values);
    const card = element(parent, 'section', 'card bars');
    const heading = element(card, 'h2');
    heading.append(name);
    element(heading, 'span', 'formula').textContent = formula;
    element(heading, 'span', 'facts').textContent = facts(values);
    this.detail = element(card, 'canvas', 'detail');
    this.strip = element(card, 'canvas', 'strip');
    this.listen();
    view.onChange(() => this.draw());
  }

  listen() {
    const { detail, strip, view } = this;
    detail.tabIndex = 0;
    detail.setAttribute('role', 'slider');
    detail.setAttribute('aria-label', `${this.name}, element`);
    detail.setAttribute('aria-valuemin', '0');
    detail.setAttribute('aria-valuemax', `${this.values.length - 1}`);
    detail.addEventListener('pointermove', event => view.point(this.elementAt(event)));
    detail.addEventListener('wheel', event => {
      event.preventDefault();
      view.zoom(event.deltaY > 0 ? 1.25 : 0.8, Math.max(view.first, this.elementAt(event)));
    }, { passive: false });
    detail.addEventListener('keydown', event => this.onKey(event));

    strip.addEventListener('pointerdown', event => {
      strip.setPointerCapture(event.pointerId);
      this.centre(event);
    });
    strip.addEventListener('pointermove', event => { if (event.buttons) this.centre(event); });
  }

  onKey(event) {
    const { view } = this;
    const step = event.shiftKey ? Math.max(1, Math.round(view.count / 10)) : 1;
    const middle = view.cursor >= 0 ? view.cursor : view.first + view.count / 2;
    const actions = {
      ArrowLeft: () => view.walk(view.cursor - step),
      ArrowRight: () => view.walk(view.cursor + step),
      PageUp: () => view.walk(view.cursor - Math.round(view.count / 2)),
      PageDown: () => view.walk(view.cursor + Math.round(view.count / 2)),
      Home: () => view.walk(0),
      End: () => view.walk(view.length - 1),
      '+': () => view.zoom(0.5, middle),
      '=': () => view.zoom(0.5, middle),
      '-': () => view.zoom(2, middle),
      Escape: () => view.show(0, view.length),
    };
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  }

  elementAt(event) {
    const box = this.detail.getBoundingClientRect();
    const share = (event.clientX - box.left - gutter) / (box.width - gutter);
    return share < 0 || share >= 1 ? -1 : Math.min(this.view.length - 1, this.view.first + Math.floor(share * this.view.count));
  }

  centre(event) {
    const box = this.strip.getBoundingClientRect();
    const at = (event.clientX - box.left - gutter) / (box.width - gutter) * this.view.length;
    this.view.show(at - this.view.count / 2, this.view.count);
  }

  draw() {
    this.drawDetail();
    this.drawStrip();
    const { cursor } = this.view;
    this.detail.setAttribute('aria-valuenow', `${Math.max(0, cursor)}`);
    this.detail.setAttribute('aria-valuetext', cursor < 0 ? 'none' : `${cursor}: ${text(this.values[cursor])}`);
  }

  drawDetail() {
    const { context, width, height } = prepare(this.detail);
    const { first, count, cursor } = this.view;
    const plot = { left: gutter, top: 6, width: width - gutter, height: height - 20 };
    const zero = plot.top + plot.height / 2;
    context.fillStyle = colour('grid');
    for (const y of [plot.top, zero, plot.top + plot.height]) context.fillRect(plot.left, Math.round(y), plot.width, 1);
    context.fillStyle = colour('soft');
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    context.fillText(text(this.scale), plot.left - 6, plot.top + 2);
    context.fillText('0', plot.left - 6, zero);
    context.fillText(text(-this.scale), plot.left - 6, plot.top + plot.height - 1);
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    context.fillText(`${first}`, plot.left, height - 1);
    context.textAlign = 'right';
    context.fillText(`${first + count - 1}`, width, height - 1);
    this.bars(context, plot, first, count);
    if (cursor >= first && cursor < first + count) this.mark(context, plot, cursor, height);
  }

  drawStrip() {
    const { context, width, height } = prepare(this.strip);
    const { first, count, length } = this.view;
    const plot = { left: gutter, top: 0, width: width - gutter, height };
    context.fillStyle = colour('grid');
    context.fillRect(plot.left, 0, plot.width, height);
    this.bars(context, plot, 0, length);
    if (count < length) {
      const left = plot.left + first / length * plot.width;
      context.strokeStyle = colour('marked');
      context.lineWidth = 1.5;
      context.strokeRect(left + .75, .75, Math.max(3, count / length * plot.width) - 1.5, height - 1.5);
    }
  }

  // A column of pixels shows the smallest and the largest of its elements; where there is room, an element has columns of its own.
  bars(context, plot, first, count) {
    const zero = plot.top + plot.height / 2;
    const unit = plot.height / 2 / this.scale;
    const each = plot.width / count;
    const columns = Math.min(count, Math.floor(plot.width));
    const gap = each >= 4 ? 1 : 0;
    const positive = colour('positive'), negative = colour('negative'), strange = colour('norm');
    for (let column = 0; column < columns; column++) {
      const from = first + Math.floor(column * count / columns);
      const to = Math.max(from + 1, first + Math.floor((column + 1) * count / columns));
      let least = 0, most = 0, finite = true;
      for (let i = from; i < to; i++) {
        const value = this.values[i];
        if (Number.isFinite(value)) {
          least = Math.min(least, value);
          most = Math.max(most, value);
        } else {
          finite = false;
        }
      }

      const left = plot.left + column * plot.width / columns;
      const wide = Math.max(.6, plot.width / columns - gap);
      context.fillStyle = positive;
      context.fillRect(left, zero - most * unit, wide, most * unit);
      context.fillStyle = negative;
      context.fillRect(left, zero, wide, -least * unit);
      if (!finite) {
        context.fillStyle = strange;
        context.fillRect(left, plot.top, wide, plot.height);
      }
    }
  }

  mark(context, plot, cursor, height) {
    const { first, count } = this.view;
    const x = plot.left + (cursor - first + .5) / count * plot.width;
    context.fillStyle = colour('marked');
    context.globalAlpha = .55;
    context.fillRect(x - .5, plot.top, 1, plot.height);
    context.globalAlpha = 1;
    const label = `[${cursor}] ${text(this.values[cursor])}`;
    const half = context.measureText(label).width / 2;
    context.textAlign = 'center';
    const centre = Math.min(plot.left + plot.width - half, Math.max(plot.left + half, x));
    context.fillStyle = colour('card');
    context.fillRect(centre - half - 4, height - 13, 2 * half + 8, 13);
    context.fillStyle = colour('text');
    context.fillText(label, centre, height - 2);
  }
}

function element(parent, name, className) {
  const made = document.createElement(name);
  if (className) made.className = className;
  parent.append(made);
  return made;
}
