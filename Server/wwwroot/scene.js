// The cards of one layer from input to output. What a reply changes is changed in place, so that the focus stays where it is.

import { RowCard } from './card.js';
import { drawCurve } from './curve.js';
import { element, extent, numbers, text } from './format.js';
import { showNeuron } from './neuron.js';
import { Router } from './routing.js';
import { View } from './view.js';

/** What of a reply decides which cards there are. */
const formOf = reply => JSON.stringify([
  reply.layer, reply.mode, reply.input.values.length, !!reply.normalized, reply.routing?.experts, reply.output.values.length,
  reply.stages.map(stage => [stage.activation, stage.preActivation.values.length, !!stage.up, !!stage.hidden]),
]);

export class Scene {
  /** @param {function} pick Told a position. @param {function} say Told what was chosen. */
  constructor(parent, pick, say) {
    Object.assign(this, { parent, pick, say, form: '' });
  }

  show(reply) {
    const form = formOf(reply);
    if (form !== this.form) {
      this.form = form;
      this.build(reply);
    }

    this.input.update(numbers(reply.input.values), reply.input.rms.map(Number), reply.position);
    this.normalized?.update(numbers(reply.normalized.values), reply.normalized.rms.map(Number), reply.position);
    this.router?.update(reply.routing, reply.position);
    this.stages.forEach((stage, i) => stage.update(reply.stages[i], reply.position));
    this.output.update(numbers(reply.output.values), reply.output.rms.map(Number), reply.position);
  }

  redraw() {
    for (const view of this.views ?? []) view.changed();
    this.router?.redraw();
  }

  build(reply) {
    const { parent, pick } = this;
    parent.replaceChildren();
    const width = reply.input.values.length;
    const model = new View(width);
    const into = reply.normalized ? 'norm(x)' : 'x';
    this.input = new RowCard(parent, { name: 'Input', formula: 'x', unit: 'element', axis: `element of d_model = ${width}` }, model, pick);
    this.normalized = reply.normalized ? new RowCard(
      parent, { name: 'Normalized', formula: 'norm(x)', unit: 'element', axis: `element of d_model = ${width}` }, model, pick) : null;
    const experts = reply.routing ? new View(reply.routing.experts) : null;
    this.router = experts ? new Router(parent, reply.routing, into, experts, pick) : null;
    this.stages = reply.stages.map((stage, i) => new Stage(parent, reply, i, into, pick, this.say));
    const after = reply.output.values.length === width ? model : new View(reply.output.values.length);
    this.output = new RowCard(parent, {
      name: 'Output', formula: outputOf(reply), unit: 'element',
      axis: `element of ${after === model ? 'd_model' : 'the output'} = ${after.length}`,
    }, after, pick);
    this.views = new Set([model, after, ...(experts ? [experts] : []), ...this.stages.map(stage => stage.view)]);
    const hear = (view, name) => view.onChange(() => {
      if (view.chosen === view.said) return;
      view.said = view.chosen;
      this.say(() => `${name} ${view.chosen}`);
    });
    hear(model, 'Element');
    if (after !== model) hear(after, 'Output element');
    if (experts) hear(experts, 'Expert');
  }
}

function outputOf(reply) {
  const last = lastOf(reply);
  return reply.mode === 'ffn' ? `y = ${last}` : reply.mode === 'residual' ? `y = x + ${last}` : `y = ${reply.block}, F = ${last}`;
}

/** The formula of the last stage, or of the mixture. */
function lastOf(reply) {
  if (reply.routing) return `Σ wₑ · expertₑ(x)${reply.routing.shared ? ' + shared(x)' : ''}`;
  const { activation, gated, bias } = reply.last;
  const h = reply.stages.length === 0 ? 'x' : 'h';
  const w = reply.stages.length === 1 ? 'W_down' : 'W';
  const plain = `${w} · ${h}${bias ? ' + b' : ''}`;
  const activated = activation === 'identity' ? plain : `${activation}(${plain})`;
  return gated ? `${activation}(W_gate · ${h}) ⊙ (W_up · ${h})` : activated;
}

/** One hidden stage: its rows, the activation's curve, and the chosen neuron with its numbers. */
class Stage {
  constructor(parent, reply, index, into, pick, say) {
    const stage = reply.stages[index];
    const isOne = reply.stages.length === 1;
    const from = index === 0 ? into : 'h';
    const width = stage.preActivation.values.length;
    const act = stage.activation;
    Object.assign(this, { from, name: isOne ? '' : `Stage ${index + 1}, ` });
    this.view = new View(width);
    const group = element(parent, 'section', 'stage');
    group.setAttribute('aria-label', isOne ? 'Hidden stage' : `Stage ${index + 1} of ${reply.stages.length}`);
    if (!isOne) element(group, 'h2', 'title', `Stage ${index + 1} of ${reply.stages.length}: ${act}, ${width} neurons`);
    const main = element(group, 'div', 'stack');
    const axis = isOne ? `neuron of d_ff = ${width}` : `neuron of ${width}`;
    const card = (name, formula) => new RowCard(
      main, { name: isOne ? name : `${name} ${index + 1}`, formula, unit: 'neuron', axis, level: isOne ? 'h2' : 'h3' }, this.view, pick);
    const bias = stage.form.bias ? ' + b' : '';
    const projection = `${stage.up ? 'W_gate' : isOne ? 'W_up' : 'W'} · ${from}${bias}`;
    this.pre = card('Pre-activation', `z = ${projection}`);
    this.act = card('Activation', `a = ${act}(z)`);
    this.up = stage.up ? card('Up', `u = W_up · ${from}${bias}`) : null;
    const product = stage.up ? 'a ⊙ u' : 'a';
    this.hidden = stage.hidden ? card('Hidden', `h = ${stage.form.isNormed ? `norm(${product})` : product}`) : null;
    this.buildSide(group, act, isOne ? 'h2' : 'h3');
    this.view.onChange(() => this.describe());
    this.view.onChange(() => {
      if (this.view.chosen === this.said) return;
      this.said = this.view.chosen;
      const { values } = this;
      say(() => `${this.name}Neuron ${this.view.chosen}: pre-activation ${text(values.preActivation[this.view.chosen])}, `
        + `${act} ${text(values.activated[this.view.chosen])}`);
    });
  }

  buildSide(group, act, level) {
    const side = element(group, 'aside', 'card side');
    side.setAttribute('aria-label', `${this.name}Activation and neuron`);
    const heading = element(side, 'div', 'heading');
    element(heading, level, 'name', act);
    element(heading, 'span', 'formula', 'all neurons of the position');
    this.curve = element(side, 'canvas', 'curve');
    this.curve.setAttribute('role', 'img');
    this.neuron = element(side, level === 'h2' ? 'h3' : 'h4', 'name');
    this.steps = element(side, 'dl', 'steps');
  }

  update(reply, position) {
    const values = {
      activation: reply.activation, form: reply.form, curve: { x: reply.curve.x.map(Number), y: reply.curve.y.map(Number) },
      preActivation: numbers(reply.preActivation.values), activated: numbers(reply.activated.values),
      up: reply.up && numbers(reply.up.values), hidden: reply.hidden && numbers(reply.hidden.values),
    };
    this.values = values;

    // One scale for both, so that it shows what the activation takes away.
    const scale = extent(values.preActivation, values.activated);
    const sizes = { pre: reply.preActivation.rms.map(Number), act: reply.activated.rms.map(Number) };
    const sizeScale = extent(sizes.pre, sizes.act);
    this.pre.update(values.preActivation, sizes.pre, position, { scale, sizeScale });
    this.act.update(values.activated, sizes.act, position, { scale, sizeScale });
    this.up?.update(values.up, reply.up.rms.map(Number), position);
    this.hidden?.update(values.hidden, reply.hidden.rms.map(Number), position);
    if (this.view.chosen < 0) {
      this.said = strongest(values.hidden ?? values.activated);
      this.view.choose(this.said);
    }

    this.describe();
  }

  describe() {
    if (!this.values) return;
    const { chosen } = this.view;
    const { values } = this;
    this.neuron.textContent = `Neuron ${chosen}`;
    drawCurve(this.curve, values, chosen);
    this.curve.setAttribute(
      'aria-label', `${values.activation} with all neurons on it; neuron ${chosen} at z = ${text(values.preActivation[chosen])}, `
      + `${values.activation}(z) = ${text(values.activated[chosen])}`);
    showNeuron(this.steps, values, chosen, this.from);
  }
}

// Something to look at first.
function strongest(values) {
  let best = 0;
  values.forEach((value, i) => { if (Math.abs(value) > Math.abs(values[best])) best = i; });
  return best;
}
