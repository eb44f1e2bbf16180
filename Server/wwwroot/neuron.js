// The chosen neuron of a stage: the formula with its numbers.

import { formulas, showNumbers } from './formulas.js';
import { element, text } from './format.js';

showNumbers(text);

/** Fills a list of steps, each a name, a formula, and what it is with numbers. */
export function showNeuron(list, stage, index, into) {
  list.replaceChildren();
  if (index < 0) return;
  const { form } = stage;
  const z = stage.preActivation[index], activated = stage.activated[index];
  const act = stage.activation;
  const known = formulas[act];
  const bias = form.bias ? ' + b' : '';
  const isPlain = known?.with && !form.hasParameters && !form.isSparse && Number.isFinite(z);
  step(list, 'z', `${stage.up ? 'w_gate' : 'w'} · ${into}${bias}`, '', z);
  step(list, 'a', `${act}(z)${known ? ` = ${known.text}` : ''}`, isPlain ? known.with(z) : '', activated);
  if (stage.up) step(list, 'u', `w_up · ${into}${bias}`, '', stage.up[index]);
  if (stage.hidden) {
    const isProduct = stage.up && !form.isNormed && act !== 'clamped-silu';
    const product = isProduct ? 'a · u' : stage.up ? 'a with u' : 'a';
    const words = isProduct ? `${text(activated)} · ${stage.up[index] < 0 ? `(${text(stage.up[index])})` : text(stage.up[index])}` : '';
    step(list, 'h', form.isNormed ? `norm(${stage.up ? 'a ⊙ u' : 'a'})` : product, words, stage.hidden[index]);
  }
}

function step(list, name, formula, words, value) {
  const term = element(list, 'dt', '', name);
  term.dataset.of = name;
  const shown = element(list, 'dd');
  element(shown, 'span', 'formula', formula);
  const line = element(shown, 'span', 'numbers');
  if (words) line.append(`= ${words} `);
  line.append('= ');
  element(line, 'b', '', text(value));
}
