// The activation's curve, a stage's values on it, how densely they lie, and the one under the cursor.

import { colour, prepare, text } from './format.js';

const margin = { left: 54, right: 10, top: 10, bottom: 34 };
const bins = 60;
const densityHeight = 26;

export function drawCurve(canvas, stage, cursor) {
  const { context, width, height } = prepare(canvas);
  const { x, y } = stage.curve;
  const low = Math.min(0, ...y), high = Math.max(0, ...y);
  const plot = { left: margin.left, top: margin.top, width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const reach = x[x.length - 1];
  const across = value => plot.left + (value + reach) / (2 * reach) * plot.width;
  const up = value => plot.top + (high - value) / (high - low || 1) * plot.height;

  axes(context, plot, { reach, low, high, across, up });
  density(context, plot, stage.preActivation, reach);

  context.strokeStyle = colour('curve');
  context.lineWidth = 1.5;
  context.beginPath();
  x.forEach((value, i) => context.lineTo(across(value), up(y[i])));
  context.stroke();

  const positive = colour('positive'), negative = colour('negative');
  context.globalAlpha = Math.max(.12, Math.min(.9, 250 / stage.preActivation.length));
  stage.preActivation.forEach((value, i) => {
    const activated = stage.activated[i];
    if (!Number.isFinite(value) || !Number.isFinite(activated)) return;
    context.fillStyle = activated < 0 ? negative : positive;
    context.beginPath();
    context.arc(across(value), up(activated), 2.2, 0, 2 * Math.PI);
    context.fill();
  });
  context.globalAlpha = 1;
  if (cursor >= 0 && Number.isFinite(stage.preActivation[cursor])) marked(context, plot, across, up, stage, cursor);
}

function axes(context, plot, { reach, low, high, across, up }) {
  context.fillStyle = colour('grid');
  context.fillRect(plot.left, Math.round(up(0)), plot.width, 1);
  context.fillRect(Math.round(across(0)), plot.top, 1, plot.height);
  context.fillStyle = colour('soft');
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  context.fillText(text(high), plot.left - 5, plot.top + 3);
  if (up(0) - plot.top > 14 && plot.top + plot.height - up(0) > 14) context.fillText('0', plot.left - 5, up(0));
  context.fillText(text(low), plot.left - 5, plot.top + plot.height - 2);
  context.textBaseline = 'alphabetic';
  const bottom = plot.top + plot.height + margin.bottom - 3;
  context.textAlign = 'left';
  context.fillText(text(-reach), plot.left, bottom);
  context.textAlign = 'center';
  context.fillText('pre-activation', across(0), bottom);
  context.textAlign = 'right';
  context.fillText(text(reach), plot.left + plot.width, bottom);
}

// Hangs down from below the curve, so that it hides none of it.
function density(context, plot, values, reach) {
  const counts = new Array(bins).fill(0);
  for (const value of values) {
    if (Number.isFinite(value)) counts[Math.min(bins - 1, Math.floor((value + reach) / (2 * reach) * bins))]++;
  }

  const most = Math.max(1, ...counts);
  context.fillStyle = colour('curve');
  context.globalAlpha = .35;
  counts.forEach((count, bin) => {
    const tall = count / most * (densityHeight - 8);
    context.fillRect(plot.left + bin / bins * plot.width, plot.top + plot.height + 2, plot.width / bins - 1, tall);
  });
  context.globalAlpha = 1;
}

function marked(context, plot, across, up, stage, cursor) {
  const x = across(stage.preActivation[cursor]), y = up(stage.activated[cursor]);
  context.strokeStyle = colour('marked');
  context.lineWidth = 1;
  context.setLineDash([3, 3]);
  context.beginPath();
  context.moveTo(x, up(0));
  context.lineTo(x, y);
  context.lineTo(across(0), y);
  context.stroke();
  context.setLineDash([]);
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 5, 0, 2 * Math.PI);
  context.stroke();
}
