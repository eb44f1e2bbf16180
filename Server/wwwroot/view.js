// The window and the chosen element that rows of one width share: the model's, a stage's, or the experts'.

const leastShown = 8;

export class View {
  constructor(length) {
    this.length = length;
    this.first = 0;
    this.count = length;
    this.chosen = -1;
    this.listeners = [];
  }

  onChange(listener) { this.listeners.push(listener); }

  get isWhole() { return this.count === this.length; }

  show(first, count) {
    this.count = Math.min(this.length, Math.max(Math.min(leastShown, this.length), Math.round(count)));
    this.first = Math.min(this.length - this.count, Math.max(0, Math.round(first)));
    this.changed();
  }

  showAll() { this.show(0, this.length); }

  /** Shows factor times as many elements, with the one at a place staying there. */
  zoom(factor, at) {
    const share = (at - this.first) / this.count;
    const count = Math.min(this.length, Math.max(leastShown, this.count * factor));
    this.show(at - share * count, count);
  }

  choose(index) {
    this.chosen = Math.min(this.length - 1, Math.max(0, index));
    if (this.chosen < this.first || this.chosen >= this.first + this.count) this.show(this.chosen - this.count / 2, this.count);
    else this.changed();
  }

  /** Where zooming by keys or buttons holds on to. */
  get middle() {
    const isShown = this.chosen >= this.first && this.chosen < this.first + this.count;
    return isShown ? this.chosen + .5 : this.first + this.count / 2;
  }

  // Drawings of one frame are one.
  changed() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      for (const listener of this.listeners) listener();
    });
  }
}
