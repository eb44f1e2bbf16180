// Numbers and colours, as every part of the page shows them.

const digits = 4;

/** A number with four significant digits and a real minus sign. */
export function text(value) {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  const plain = size >= 1e5 || size < 1e-4 ? value.toExponential(digits - 1) : value.toPrecision(digits);
  return plain.replace(/-/g, '−');
}

/** What to say of a row at a glance. */
export function facts(values) {
  let min = Infinity, max = -Infinity, squares = 0, finite = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    squares += value * value;
    finite++;
  }

  const rest = values.length - finite;
  return finite === 0
    ? `${values.length} elements, none finite`
    : `${values.length} elements, ${text(min)} to ${text(max)}, RMS ${text(Math.sqrt(squares / finite))}` + (rest ? `, ${rest} not finite` : '');
}

/** The largest size of the finite values, never 0, so that it can scale an axis. */
export function extent(values) {
  let most = 0;
  for (const value of values) {
    if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  }

  return most || 1;
}

/** A colour of the style sheet, which knows light and dark. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
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
