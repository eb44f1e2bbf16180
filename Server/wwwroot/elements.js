// The elements of one row as signed bars over an axis of element numbers; the chosen one is lit.

import { listen } from './gestures.js';
import { colour, element, extent, niceEnd, niceStep, prepare, text, tick } from './format.js';

const gutter = 46;
const under = 18;
const over = 5;

export class ElementChart {
  /**
   * @param {string} name What the row is, for those who hear it.
   * @param {string} unit What an element is: neuron, element, expert.
   * @param {string} axis What its numbers count.
   * @param {View} view The window and the chosen element.
   */
  constructor(parent, name, unit, axis, view) {
    Object.assign(this, { unit, axis, view, values: new Float32Array(), end: 1, least: -1, hovered: -1, lit: new Set() });
    const frame = element(parent, 'div', 'chart');
    this.canvas = element(frame, 'canvas', 'elements');
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'slider');
    this.canvas.setAttribute('aria-label', `${name}, ${axis}`);
    this.canvas.setAttribute('aria-valuemin', '0');
    this.track = element(frame, 'div', 'track');
    this.thumb = element(this.track, 'div', 'thumb');
    listen(this);
    this.listenToTrack();
    view.onChange(() => this.draw());
  }

  /** Shows a row; several may be given one scale, and some elements may be lit beside the chosen one. */
  update(values, { scale = extent(values), lit = [], isSigned = true } = {}) {
    this.values = values;
    this.end = niceEnd(scale);
    this.least = isSigned ? -this.end : 0;
    this.canvas.dataset.end = this.end;
    this.lit = new Set(lit);
    this.canvas.setAttribute('aria-valuemax', `${values.length - 1}`);
    this.view.changed();
  }

  get plot() {
    const box = this.canvas.getBoundingClientRect();
    return { left: box.left + gutter, width: box.width - gutter };
  }

  get elementWidth() { return this.plot.width / this.view.count; }

  shareAt(x) {
    const { left, width } = this.plot;
    return Math.min(1, Math.max(0, (x - left) / width));
  }

  placeAt(x) { return this.view.first + this.shareAt(x) * this.view.count; }

  elementAt(x) {
    const { left, width } = this.plot;
    return x < left || x >= left + width ? -1 : Math.min(this.view.length - 1, Math.floor(this.placeAt(x)));
  }

  hover(index) {
    if (index === this.hovered) return;
    this.hovered = index;
    this.draw();
  }

  listenToTrack() {
    const { track, view } = this;
    const centre = event => {
      const box = track.getBoundingClientRect();
      view.show((event.clientX - box.left) / box.width * view.length - view.count / 2, view.count);
    };
    track.addEventListener('pointerdown', event => {
      track.setPointerCapture(event.pointerId);
      centre(event);
    });
    track.addEventListener('pointermove', event => { if (event.buttons & 1) centre(event); });
  }

  draw() {
    const { view, values, canvas } = this;
    if (values.length === 0 || canvas.clientWidth === 0) return;
    const { context, width, height } = prepare(canvas);
    const plot = { left: gutter, top: over, width: width - gutter, height: height - over - under };
    const isShown = index => index >= view.first && index < view.first + view.count;
    const marks = [
      ...(isShown(this.hovered) && this.hovered !== view.chosen ? [this.markOf(context, plot, this.hovered, 'soft')] : []),
      ...(isShown(view.chosen) ? [this.markOf(context, plot, view.chosen, 'accent')] : []),
    ];
    this.drawAxes(context, plot, height, marks);
    this.drawBars(context, plot);
    for (const mark of marks) drawMark(context, plot, height, mark);
    this.track.classList.toggle('whole', view.isWhole);
    this.thumb.style.left = `${100 * view.first / view.length}%`;
    this.thumb.style.width = `${100 * view.count / view.length}%`;
    const chosen = Math.max(0, view.chosen);
    canvas.setAttribute('aria-valuenow', `${chosen}`);
    canvas.setAttribute('aria-valuetext', view.chosen < 0 ? 'none chosen' : `${this.unit} ${chosen}: ${text(values[chosen])}`);
  }

  upOf(plot) {
    return value => plot.top + (this.end - value) / (this.end - this.least) * plot.height;
  }

  drawAxes(context, plot, height, marks) {
    const up = this.upOf(plot);
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    for (const value of new Set([this.end, this.end / 2, 0, this.least / 2, this.least])) {
      context.fillStyle = colour(value === 0 ? 'zero' : 'grid');
      context.fillRect(plot.left, Math.round(up(value)), plot.width, 1);
      if (value === this.end || value === this.least || value === 0) {
        context.fillStyle = colour('soft');
        const y = Math.min(plot.top + plot.height - 4, Math.max(plot.top + 5, up(value)));
        context.fillText(tick(value), plot.left - 7, y);
      }
    }

    this.drawNumbers(context, plot, height, marks);
  }

  // Numbers of elements, and what they count, where the marks leave room.
  drawNumbers(context, plot, height, marks) {
    const { first, count } = this.view;
    context.textBaseline = 'alphabetic';
    context.fillStyle = colour('soft');
    const each = plot.width / count;
    const step = Math.max(1, niceStep(count, Math.max(2, plot.width / 90)));
    const half = context.measureText(this.axis).width / 2;
    const name = { centre: plot.left + plot.width - half, half };
    const isFree = (centre, wide, others) => others.every(other => Math.abs(other.centre - centre) > other.half + wide + 8);

    // Where every element has its number, no room is left.
    const taken = step > 1 && isFree(name.centre, half, marks) ? [name, ...marks] : marks;
    if (taken.includes(name)) context.fillText(this.axis, plot.left + plot.width, height - 5);
    for (let i = Math.ceil(first / step) * step; i < first + count; i += step) {
      const x = plot.left + (i - first + .5) * each;
      const wide = context.measureText(`${i}`).width / 2;
      const centre = Math.max(plot.left + wide, x);
      context.textAlign = 'center';
      if (centre + wide <= plot.left + plot.width && isFree(centre, wide, taken)) context.fillText(`${i}`, centre, height - 5);
    }
  }

  // A column of pixels shows the smallest and the largest of its elements; where there is room, an element has columns of its own.
  drawBars(context, plot) {
    const { first, count, chosen } = this.view;
    const up = this.upOf(plot);
    const zero = up(0);
    const columns = Math.min(count, Math.floor(plot.width));
    const wide = plot.width / columns;
    const gap = wide >= 12 ? 2 : wide >= 4 ? 1 : 0;
    const bar = colour('bar'), accent = colour('accent'), wrong = colour('wrong');
    for (let column = 0; column < columns; column++) {
      const from = first + Math.floor(column * count / columns);
      const to = Math.max(from + 1, first + Math.floor((column + 1) * count / columns));
      let least = 0, most = 0, isFinite = true, isLit = false;
      for (let i = from; i < to; i++) {
        const value = this.values[i];
        isLit ||= i === chosen || this.lit.has(i);
        if (Number.isFinite(value)) {
          least = Math.min(least, value);
          most = Math.max(most, value);
        } else {
          isFinite = false;
        }
      }

      const left = plot.left + column * wide;
      context.fillStyle = !isFinite ? wrong : isLit ? accent : bar;
      const top = isFinite ? up(most) : plot.top;
      const bottom = isFinite ? up(least) : plot.top + plot.height;
      context.fillRect(left, top, Math.max(isLit ? 2 : .6, wide - gap), Math.max(isLit ? 2 : 0, bottom - top));
    }
  }

  /** A line through an element with its number and value below, where axis numbers make room for it. */
  markOf(context, plot, index, name) {
    const { first, count } = this.view;
    const x = plot.left + (index - first + .5) / count * plot.width;
    const label = `${index}: ${text(this.values[index])}`;
    const half = context.measureText(label).width / 2;
    return { name, label, x, half, centre: Math.min(plot.left + plot.width - half, Math.max(plot.left + half, x)) };
  }
}

function drawMark(context, plot, height, { name, label, x, half, centre }) {
  context.fillStyle = colour(name);
  context.globalAlpha = .45;
  context.fillRect(Math.round(x), plot.top, 1, plot.height);
  context.globalAlpha = 1;
  context.fillStyle = colour('card');
  context.fillRect(centre - half - 4, height - under + 1, 2 * half + 8, under - 1);
  context.textAlign = 'center';
  context.textBaseline = 'alphabetic';
  context.fillStyle = colour(name);
  context.fillText(label, centre, height - 5);
}
