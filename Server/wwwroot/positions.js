// All positions as a strip of small bars, one strip in every stage; the chosen one is lit in all of them.

import { element, extent, text } from './format.js';

export class PositionStrip {
  /**
   * @param {string} place Where in the forward the strip is.
   * @param {string} measure What a bar's height is.
   * @param {function} pick Told a position.
   */
  constructor(parent, place, measure, pick) {
    this.place = place;
    this.measure = measure;
    this.pick = pick;
    this.position = -1;
    const row = element(parent, 'div', 'positions');
    this.label = element(row, 'span', 'measure');
    this.strip = element(row, 'div', 'strip');
    this.strip.tabIndex = 0;
    this.strip.setAttribute('role', 'slider');
    this.strip.setAttribute('aria-label', `Position, ${place}`);
    this.strip.setAttribute('aria-valuemin', '0');
    this.listen();
  }

  /** Shows a size for each position, on a scale that strips may share. */
  update(sizes, position, scale = extent(sizes)) {
    const { strip } = this;
    if (strip.children.length !== sizes.length) {
      strip.replaceChildren(...Array.from(sizes, () => {
        const slot = element(null, 'span', 'slot');
        element(slot, 'span', 'bar');
        return slot;
      }));
    }

    sizes.forEach((size, i) => {
      const slot = strip.children[i];
      const bar = slot.firstChild;
      const isFinite = Number.isFinite(size);
      bar.style.height = `${isFinite ? Math.max(4, 100 * size / (scale || 1)) : 100}%`;
      slot.classList.toggle('lit', i === position);
      slot.classList.toggle('strange', !isFinite);
      slot.title = `position ${i}: ${this.measure} ${text(size)}`;
    });
    this.position = position;
    this.label.replaceChildren(this.measure, element(null, 'br'), text(sizes[position]));
    strip.setAttribute('aria-valuemax', `${sizes.length - 1}`);
    strip.setAttribute('aria-valuenow', `${position}`);
    strip.setAttribute('aria-valuetext', `position ${position} of ${sizes.length}, ${this.measure} ${text(sizes[position])}`);
  }

  listen() {
    const { strip } = this;
    strip.addEventListener('pointerdown', event => {
      if (event.button !== 0) return;
      if (event.pointerType !== 'touch') strip.setPointerCapture(event.pointerId);
      this.pickAt(event.clientX);
    });
    strip.addEventListener('pointermove', event => { if (event.buttons & 1) this.pickAt(event.clientX); });
    strip.addEventListener('keydown', event => {
      const last = strip.children.length - 1;
      const moves = {
        ArrowLeft: this.position - 1, ArrowDown: this.position - 1, ArrowRight: this.position + 1, ArrowUp: this.position + 1,
        PageDown: this.position - 8, PageUp: this.position + 8, Home: 0, End: last,
      };
      if (event.key in moves && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        this.choose(Math.min(last, Math.max(0, moves[event.key])));
      }
    });
  }

  pickAt(x) {
    const box = this.strip.getBoundingClientRect();
    const index = Math.floor((x - box.left) / box.width * this.strip.children.length);
    if (index >= 0 && index < this.strip.children.length) this.choose(index);
  }

  choose(position) {
    if (position !== this.position) this.pick(position);
  }
}
