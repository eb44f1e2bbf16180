// The page: reads the controls, asks the server for a trace, and hands it to the scene.

import { ask, setKey } from './api.js';
import { startCode } from './code.js';
import { element, text } from './format.js';
import { Scene } from './scene.js';
import { onTheme, startTheme } from './theme.js';
import { showTiming } from './timing.js';

const byId = id => document.getElementById(id);
const controls = byId('controls');
const quiet = 350;

let layers = [];
let shown = null;
let busy = false;
let next = null;
let saying = 0;

function say(message, isError = false) {
  byId('status').textContent = message;
  byId('status').classList.toggle('error', isError);
}

// Those who hear the page are told once they have stopped walking.
function announce(words) {
  clearTimeout(saying);
  saying = setTimeout(() => { byId('live').textContent = typeof words === 'function' ? words() : words; }, quiet);
}

const scene = new Scene(byId('flow'), pick, announce);

// Every way in ends here: what goes wrong is said. One request at a time; of those that come meanwhile, the last one follows.
async function attempt(work) {
  if (busy) {
    next = work;
    return;
  }

  busy = true;
  document.body.setAttribute('aria-busy', 'true');
  try {
    await work();
    say('');
  } catch (error) {
    say(error.message, true);
    if (error.status === 401 || error.status === 403) byId('key-field').hidden = false;
  }

  busy = false;
  document.body.setAttribute('aria-busy', 'false');
  if (next) {
    const following = next;
    next = null;
    attempt(following);
  }
}

async function start() {
  layers = (await ask('v1/layers')).layers;
  const before = byId('layer').value;
  byId('layer').replaceChildren(...layers.map(layer => new Option(`${layer.name} · ${shapeOf(layer)}`, layer.name)));
  if (layers.some(layer => layer.name === before)) byId('layer').value = before;
  if (document.activeElement === byId('key')) byId('layer').focus();
  byId('key-field').hidden = true;
  await compute();
}

function shapeOf(layer) {
  const widths = layer.hiddenWidths.length === 1 && layer.inputWidth === layer.outputWidth
    ? `${layer.inputWidth} × ${layer.hiddenWidths[0]}` : [layer.inputWidth, ...layer.hiddenWidths, layer.outputWidth].join(' → ');
  return `${layer.kind} ${widths}${layer.experts ? `, ${layer.experts} experts` : ''}`;
}

function chosen() {
  return layers.find(layer => layer.name === byId('layer').value);
}

function readRows() {
  const width = chosen().inputWidth;
  const lines = byId('rows').value.replace(/[[\]]/g, ' ').split('\n').map(line => line.trim()).filter(line => line);
  return lines.map((line, row) => {
    const words = line.split(/[\s,;]+/).filter(word => word);
    if (words.length !== width) throw new Error(`Line ${row + 1} has ${words.length} numbers; ${chosen().name} takes ${width}.`);
    return words.map((word, column) => {
      const value = Number(word);
      if (!Number.isFinite(Math.fround(value))) {
        throw new Error(`Line ${row + 1}, number ${column + 1}: '${word.slice(0, 40)}' is no finite float32.`);
      }

      return value;
    });
  });
}

async function compute() {
  const layer = chosen();
  if (!layer) throw new Error('The server has no layer.');
  for (const input of controls.elements.mode) input.disabled = !layer.modes.includes(input.value);
  if (!layer.modes.includes(controls.elements.mode.value)) controls.elements.mode.value = 'ffn';
  byId('width-text').textContent = `${layer.inputWidth}`;
  const isPasted = controls.elements.source.value === 'pasted';
  byId('pasted').hidden = !isPasted;
  byId('random').hidden = isPasted;
  if (isPasted && !byId('rows').value.trim()) return;
  const rows = isPasted ? readRows() : null;
  if (!rows && !controls.reportValidity()) return;
  const tokens = rows ? rows.length : byId('tokens').valueAsNumber;
  const position = Math.min(byId('position').valueAsNumber, tokens - 1);
  setPosition(position, tokens);
  const request = { layer: layer.name, mode: controls.elements.mode.value, position };
  if (rows) request.rows = rows;
  else request.random = { tokens, seed: byId('seed').valueAsNumber };
  show(await ask('api/compute/ffn', request), layer);
}

function setPosition(position, tokens) {
  byId('position').max = `${tokens - 1}`;
  byId('position').value = `${position}`;
  byId('position-text').textContent = `${position} of ${tokens}, from 0`;
}

function show(reply, layer) {
  shown = reply;
  setPosition(reply.position, reply.tokens);
  const bytes = layer.weightBytes >= 1e6 ? `${(layer.weightBytes / 1e6).toFixed(1)} MB` : `${(layer.weightBytes / 1e3).toFixed(0)} kB`;
  const about = [shapeOf(layer), `backend ${reply.backend}`, `weights ${[...layer.encodings ?? [], bytes].join(', ')}`];
  if (layer.gemms) about.push(`GEMM ${layer.gemms}`);
  byId('about').replaceChildren(...about.map(words => element(null, 'span', '', words)));
  scene.show(reply);
  showTiming(byId('timing'), reply.timing, reply.tokens);
  byId('code').querySelector('code').textContent = reply.code;
}

function pick(position) {
  byId('position').value = `${position}`;
  attempt(async () => {
    await compute();
    announce(`Position ${shown.position} of ${shown.tokens}, output RMS ${text(Number(shown.output.rms[shown.position]))}`);
  });
}

function step(by) {
  const to = Number(byId('position').value) + by;
  if (to >= 0 && to <= Number(byId('position').max)) pick(to);
}

controls.addEventListener('submit', event => event.preventDefault());
controls.addEventListener('change', event => {
  if (event.target.id === 'position') return;
  if (event.target.id === 'key') {
    setKey(event.target.value);
    attempt(start);
  } else if (event.target.id !== 'rows') {
    attempt(compute);
  }
});
byId('position').addEventListener('input', () => pick(byId('position').valueAsNumber));
byId('before').addEventListener('click', () => step(-1));
byId('after').addEventListener('click', () => step(1));
byId('apply').addEventListener('click', () => attempt(compute));
byId('another').addEventListener('click', () => {
  byId('seed').value = `${byId('seed').valueAsNumber + 1 || 1}`;
  attempt(compute);
});
onTheme(() => scene.redraw());
startTheme(byId('theme'));
startCode(byId('code'), announce);
new ResizeObserver(() => scene.redraw()).observe(byId('flow'));
attempt(start);
