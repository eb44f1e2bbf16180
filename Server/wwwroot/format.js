// Numbers, colours and elements, as every part of the page makes them.

const digits = 4;
const colours = new Map();

/** A number with four significant digits and a real minus sign. */
export function text(value) {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  const plain = size >= 1e5 || size < 1e-4 ? value.toExponential(digits - 1) : value.toPrecision(digits);
  return plain.replace(/-/g, '−');
}

/** A share of 1 in percent. */
export function percent(share) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : text(share);
}

/** The label of an axis, as short as it can be. */
export function tick(value) {
  return Number(value.toPrecision(6)).toString().replace(/-/g, '−');
}

/** NaN and infinities come as strings. */
export const numbers = row => Float32Array.from(row, Number);

/** What to say of a row at a glance. */
export function facts(values) {
  let min = Infinity, max = -Infinity, finite = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    finite++;
  }

  const rest = values.length - finite;
  return finite === 0 ? 'none finite' : `${text(min)} to ${text(max)}` + (rest ? `, ${rest} not finite` : '');
}

/** The largest size of the finite values of some rows. */
export function extent(...rows) {
  let most = 0;
  for (const row of rows) {
    for (const value of row) {
      if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
    }
  }

  return most;
}

/** A step of 1, 2 or 5 times a power of ten that cuts a length into about so many parts. */
export function niceStep(length, parts) {
  const rough = length / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find(candidate => candidate * power >= rough * .999);
  return factor * power;
}

/** The end of an axis that holds a size: a round number, never 0. */
export function niceEnd(size) {
  if (!(size > 0)) return 1;
  const step = niceStep(size, 4);
  return Math.ceil(size / step - 1e-9) * step;
}

/** A colour of the style sheet, light or dark as it is now. */
export function colour(name) {
  let known = colours.get(name);
  if (!known) {
    const probe = element(document.body, 'span');
    probe.style.color = `var(--${name})`;
    known = getComputedStyle(probe).color;
    probe.remove();
    colours.set(name, known);
  }

  return known;
}

/** Has colours looked up again. */
export function forgetColours() { colours.clear(); }

/** Adds an element. */
export function element(parent, name, className, content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  parent?.append(made);
  return made;
}

/** Fits a canvas to its place on the screen, in device pixels, and gives its context in CSS pixels. */
export function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  return { context, width, height };
}
