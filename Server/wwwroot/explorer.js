// The page: reads the controls, asks the server for a trace, and hands its rows to the drawings.

import { Bars, View } from './bars.js';
import { drawCurve } from './curve.js';
import { text } from './format.js';

const byId = id => document.getElementById(id);
const controls = byId('controls');

let layers = [];
let shown = null;
let busy = false;
let next = null;

async function ask(address, body) {
  const headers = body ? { 'Content-Type': 'application/json' } : {};
  if (byId('key').value) headers['X-Api-Key'] = byId('key').value;
  const answer = await fetch(address, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), cache: 'no-store' });
  if (answer.ok) return answer.json();
  if (answer.status === 401 || answer.status === 403) byId('key-field').hidden = false;
  const problem = await answer.json().catch(() => ({ title: `HTTP ${answer.status}` }));
  throw new Error(problem.detail ? `${problem.title}: ${problem.detail}` : problem.title);
}

function say(message, error = false) {
  byId('status').textContent = message;
  byId('status').classList.toggle('error', error);
}

// Every way in ends here: what goes wrong is said. One request at a time; of those that come meanwhile, the last one follows.
async function attempt(work) {
  if (busy) {
    next = work;
    return;
  }

  busy = true;
  try {
    await work();
    say('');
  } catch (error) {
    say(error.message, true);
  }

  busy = false;
  if (next) {
    const following = next;
    next = null;
    attempt(following);
  }
}

async function start() {
  layers = (await ask('v1/layers')).layers;
  const select = byId('layer');
  select.replaceChildren(...layers.map(layer => new Option(`${layer.name}   ${layer.kind} ${layer.inputWidth}×${layer.hiddenWidths[0] ?? layer.outputWidth}`, layer.name)));
  await compute();
}

function chosen() {
  return layers.find(layer => layer.name === byId('layer').value);
}

function readRows() {
  const width = chosen().inputWidth;
  const lines = byId('rows').value.replace(/[[\]]/g, ' ').split('\n').map(line => line.trim()).filter(line => line);
  if (lines.length === 0) throw new Error(`Paste at least one line with ${width} numbers.`);
  return lines.map((line, row) => {
    const words = line.split(/[\s,;]+/).filter(word => word);
    if (words.length !== width) throw new Error(`Line ${row + 1} has ${words.length} numbers; ${chosen().name} takes ${width}.`);
    return words.map((word, column) => {
      const value = Number(word);
      if (!Number.isFinite(Math.fround(value))) throw new Error(`Line ${row + 1}, number ${column + 1}: '${word.slice(0, 40)}' is no finite float32.`);
      return value;
    });
  });
}

async function compute() {
  const layer = chosen();
  for (const input of controls.elements.mode) input.disabled = !layer.modes.includes(input.value);
  if (!layer.modes.includes(controls.elements.mode.value)) controls.elements.mode.value = 'ffn';
  byId('width-text').textContent = `${layer.inputWidth}`;
  const pasted = controls.elements.source.value === 'pasted';
  byId('pasted').hidden = !pasted;
  byId('random').hidden = pasted;
  if (pasted && !byId('rows').value.trim()) return;
  const rows = pasted ? readRows() : null;
  const tokens = rows ? rows.length : byId('tokens').valueAsNumber;
  if (!rows && !controls.reportValidity()) return;
  const position = Math.min(byId('position').valueAsNumber, tokens - 1);
  byId('position').max = `${tokens - 1}`;
  byId('position').value = `${position}`;
  byId('position-text').textContent = `${position} of ${tokens}`;
  const request = { layer: layer.name, mode: controls.elements.mode.value, position };
  if (rows) request.rows = rows;
  else request.random = { tokens, seed: byId('seed').valueAsNumber };
  show(await ask('api/compute/ffn', request));
}

// NaN and infinities come as strings.
const numbers = row => Float32Array.from(row, Number);

function show(reply) {
  const experts = (reply.experts ?? []).map(route => `expert ${route.expert} × ${text(Number(route.weight))}`);
  byId('about').replaceChildren(...[reply.layer, reply.kind, `backend ${reply.backend}`, `${reply.timing.threads} threads`, ...experts].map(chip));
  const model = keepView(shown?.model, reply.input.length);
  const parent = byId('bars');
  parent.replaceChildren();
  const rows = [];
  const add = (name, formula, values, view) => rows.push({ name, bars: new Bars(parent, name, formula, numbers(values), view) });
  add('Input', 'x', reply.input, model);
  if (reply.normalized) add('Normalized', 'norm(x)', reply.normalized, model);
  const hidden = reply.stages.map((stage, i) => {
    const view = keepView(shown?.hidden[i], stage.preActivation.length);
    const into = i > 0 ? 'hidden' : reply.normalized ? 'norm(x)' : 'x';
    const label = reply.stages.length > 1 ? ` ${i + 1}` : '';
    const projection = `${stage.up ? 'W_gate' : 'W'} · ${into}`;
    const act = stage.activation.toLowerCase();
    add(`Pre-activation${label}`, projection, stage.preActivation, view);
    add(`Activation${label}`, `${act}(${projection})`, stage.activated, view);
    if (stage.up) {
      add(`Up${label}`, `W_up · ${into}`, stage.up, view);
      add(`Hidden${label}`, 'activation ⊙ up', stage.hidden, view);
    }

    return view;
  });
  add('Output', { ffn: 'FFN(x)', residual: 'x + FFN(x)', block: 'x + FFN(norm(x)), with the norms of the family' }[reply.mode], reply.output, model);
  shown = { reply, rows, model, hidden, stage: 0 };
  prepareCurves(shown);
  for (const view of new Set([model, ...hidden])) {
    view.onChange(() => describe(view));
    view.changed();
  }

  hidden.forEach((view, i) => view.onChange(() => { shown.stage = i; curve(); }));
  curve();
  describe(hidden[0] ?? model);
  time(reply.timing);
}

function prepareCurves({ reply }) {
  for (const stage of reply.stages) {
    stage.preActivation = numbers(stage.preActivation);
    stage.activated = numbers(stage.activated);
    stage.curve = { x: stage.curve.x.map(Number), y: stage.curve.y.map(Number) };
  }

  byId('curve-card').hidden = reply.stages.length === 0;
}

function curve() {
  const stage = shown.reply.stages[shown.stage];
  if (!stage) return;
  byId('curve-name').textContent = stage.activation.toLowerCase() + (shown.reply.stages.length > 1 ? `, stage ${shown.stage + 1}` : '');
  drawCurve(byId('curve'), stage, shown.hidden[shown.stage].cursor);
}

// The window and the cursor stay where they are from one trace to the next.
function keepView(before, length) {
  const view = new View(length);
  if (before?.length === length) Object.assign(view, { first: before.first, count: before.count, cursor: before.cursor });
  return view;
}

function describe(view) {
  const list = byId('element');
  const one = view.cursor >= 0;
  byId('element-name').textContent = one ? `${view.cursor}` : '';
  list.replaceChildren(...shown.rows.filter(row => row.bars.view === view).flatMap(row => {
    const value = one ? row.bars.values[view.cursor] : null;
    const term = document.createElement('dt');
    const number = document.createElement('dd');
    term.textContent = row.name;
    number.textContent = one ? text(value) : '–';
    if (one && value !== 0) number.className = value < 0 ? 'negative' : 'positive';
    return [term, number];
  }));
}

function time(timing) {
  const known = timing.steps.reduce((sum, step) => sum + step.ms, 0);
  const steps = [...timing.steps, { name: 'other', ms: Math.max(0, timing.threadMs - known), share: Math.max(0, 1 - known / timing.threadMs) }];
  byId('time-total').textContent = `${text(timing.elapsedMs)} ms`;
  byId('time-note').textContent = `Of ${text(timing.threadMs)} ms of work on ${timing.threads} threads, for all ${shown.reply.tokens} positions together.`;
  byId('time-bar').replaceChildren(...steps.map(step => {
    const part = document.createElement('div');
    part.className = step.name;
    part.style.width = `${100 * Number(step.share)}%`;
    return part;
  }));
  byId('time-table').tBodies[0].replaceChildren(...steps.map(step => {
    const row = document.createElement('tr');
    const name = row.insertCell();
    const swatch = document.createElement('span');
    swatch.className = `swatch ${step.name}`;
    name.append(swatch, step.name);
    row.insertCell().textContent = step.ms.toFixed(3);
    row.insertCell().textContent = `${(100 * Number(step.share)).toFixed(1)}%`;
    return row;
  }));
}

function chip(label) {
  const made = document.createElement('span');
  made.textContent = label;
  return made;
}

function redraw() {
  if (!shown) return;
  for (const view of new Set([shown.model, ...shown.hidden])) view.changed();
  curve();
}

controls.addEventListener('submit', event => event.preventDefault());
controls.addEventListener('change', event => {
  if (event.target.id === 'key') attempt(start);
  else if (event.target.id !== 'rows') attempt(compute);
});
byId('position').addEventListener('input', () => attempt(compute));
byId('apply').addEventListener('click', () => attempt(compute));
byId('another').addEventListener('click', () => {
  byId('seed').value = `${byId('seed').valueAsNumber + 1 || 1}`;
  attempt(compute);
});
new ResizeObserver(redraw).observe(byId('bars'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
attempt(start);
