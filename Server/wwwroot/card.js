// A card of one place in the forward: its name and formula, all positions, and the elements of the chosen one.

import { ElementChart } from './elements.js';
import { element, facts } from './format.js';
import { PositionStrip } from './positions.js';

export class RowCard {
  /**
   * @param {object} about name, formula, unit (what an element is), axis (what its numbers count), measure (what strips show).
   * @param {View} view The window and the chosen element.
   * @param {function} pick Told a position.
   */
  constructor(parent, about, view, pick) {
    this.about = about;
    const card = element(parent, 'section', 'card row');
    card.dataset.place = about.name;
    const heading = element(card, 'div', 'heading');
    element(heading, about.level ?? 'h2', 'name', about.name);
    element(heading, 'span', 'formula', about.formula);
    const end = element(heading, 'div', 'end');
    this.facts = element(end, 'span', 'facts');
    zoomButtons(end, about.name, view);
    this.strip = new PositionStrip(card, about.name, about.measure ?? 'RMS', pick);
    this.chart = new ElementChart(card, about.name, about.unit, about.axis, view);
  }

  /** Shows values of the chosen position and a size for each; what shares a scale is given one. */
  update(values, sizes, position, options = {}) {
    this.strip.update(sizes, position, options.sizeScale);
    this.chart.update(values, options);
    this.facts.textContent = `values ${facts(values)}`;
  }
}

// What two fingers, the wheel and keys do, for who has none of them.
function zoomButtons(parent, name, view) {
  const group = element(parent, 'span', 'zoom');
  const buttons = [
    ['−', 'Show more elements', () => view.zoom(2, view.middle), () => view.isWhole],
    ['+', 'Show fewer elements, larger', () => view.zoom(.5, view.middle), () => view.count <= 8],
    ['all', 'Show all elements', () => view.showAll(), () => view.isWhole],
  ].map(([sign, label, action, isOver]) => {
    const button = element(group, 'button', 'small', sign);
    button.type = 'button';
    button.title = label;
    button.setAttribute('aria-label', `${label}, ${name}`);
    // Not disabled, which would take the focus away from who is using it.
    button.addEventListener('click', () => { if (!isOver()) action(); });
    return { button, isOver };
  });
  view.onChange(() => {
    for (const { button, isOver } of buttons) button.setAttribute('aria-disabled', `${isOver()}`);
  });
}
