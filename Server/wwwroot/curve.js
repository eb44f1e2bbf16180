// The activation's curve, a stage's neurons on it, how densely they lie, and the chosen one with its numbers at both axes.

import { colour, niceStep, prepare, text, tick } from './format.js';

const margin = { left: 50, right: 12, top: 22, bottom: 62 };
const bins = 61;
const densityHeight = 18;

/** @param {object} stage activation, preActivation, activated and curve, numbers all. */
export function drawCurve(canvas, stage, chosen) {
  if (canvas.clientWidth === 0) return;
  const { context, width, height } = prepare(canvas);
  const { x, y } = stage.curve;
  const plot = {
    left: margin.left, top: margin.top, width: width - margin.left - margin.right, height: height - margin.top - margin.bottom,
  };
  const reach = x[x.length - 1];
  const finite = y.filter(Number.isFinite);
  const low = Math.min(0, ...finite), high = Math.max(0, ...finite);
  const room = .05 * (high - low || 1);
  const scale = {
    reach, low: low - room, high: high + room,
    across: value => plot.left + (value + reach) / (2 * reach) * plot.width,
    up: value => plot.top + (high + room - value) / (high - low + 2 * room || 1) * plot.height,
  };

  axes(context, plot, scale, stage.activation, height);
  density(context, plot, stage.preActivation, reach);
  context.strokeStyle = colour('edge');
  context.lineWidth = 1.5;
  context.beginPath();
  x.forEach((value, i) => { if (Number.isFinite(y[i])) context.lineTo(scale.across(value), scale.up(y[i])); });
  context.stroke();
  points(context, scale, stage);
  if (chosen >= 0 && Number.isFinite(stage.preActivation[chosen]) && Number.isFinite(stage.activated[chosen])) {
    marked(context, plot, scale, stage.preActivation[chosen], stage.activated[chosen]);
  }
}

function axes(context, plot, { reach, low, high, across, up }, activation, height) {
  const bottom = plot.top + plot.height;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  const tall = niceStep(high - low, 4);
  for (let value = Math.ceil(low / tall) * tall; value <= high; value += tall) {
    const isZero = Math.abs(value) < tall / 2;
    context.fillStyle = colour(isZero ? 'zero' : 'grid');
    context.fillRect(plot.left, Math.round(up(value)), plot.width, 1);
    context.fillStyle = colour('soft');
    context.fillText(tick(isZero ? 0 : value), plot.left - 7, up(value));
  }

  context.textAlign = 'center';
  context.textBaseline = 'alphabetic';
  const wide = niceStep(2 * reach, 5);
  for (let value = Math.ceil(-reach / wide) * wide; value <= reach; value += wide) {
    const isZero = Math.abs(value) < wide / 2;
    context.fillStyle = colour(isZero ? 'zero' : 'grid');
    context.fillRect(Math.round(across(value)), plot.top, 1, plot.height);
    context.fillStyle = colour('soft');
    context.fillText(tick(isZero ? 0 : value), across(value), bottom + densityHeight + 16);
  }

  context.fillStyle = colour('soft');
  context.textAlign = 'left';
  context.fillText(`${activation}(z)`, 4, 12);
  context.textAlign = 'right';
  context.fillText('pre-activation z', plot.left + plot.width, height - 8);
}

// Hangs down from below the curve, so that it hides none of it.
function density(context, plot, values, reach) {
  const counts = new Array(bins).fill(0);
  for (const value of values) {
    if (Number.isFinite(value)) counts[Math.min(bins - 1, Math.max(0, Math.floor((value + reach) / (2 * reach) * bins)))]++;
  }

  const most = Math.max(1, ...counts);
  context.fillStyle = colour('bar');
  context.globalAlpha = .6;
  counts.forEach((count, bin) => {
    const left = plot.left + bin / bins * plot.width;
    context.fillRect(left, plot.top + plot.height + 2, plot.width / bins - 1, count / most * (densityHeight - 2));
  });
  context.globalAlpha = 1;
}

function points(context, { across, up }, stage) {
  context.fillStyle = colour('bar');
  context.globalAlpha = Math.max(.15, Math.min(.9, 250 / stage.preActivation.length));
  stage.preActivation.forEach((value, i) => {
    const activated = stage.activated[i];
    if (!Number.isFinite(value) || !Number.isFinite(activated)) return;
    context.beginPath();
    context.arc(across(value), up(activated), 2.2, 0, 2 * Math.PI);
    context.fill();
  });
  context.globalAlpha = 1;
}

function marked(context, plot, { across, up }, value, activated) {
  const x = across(value), y = up(activated);
  context.strokeStyle = colour('accent');
  context.lineWidth = 1.25;
  context.setLineDash([3, 3]);
  context.beginPath();
  context.moveTo(x, plot.top + plot.height + densityHeight);
  context.lineTo(x, y);
  context.lineTo(plot.left, y);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  context.arc(x, y, 4.5, 0, 2 * Math.PI);
  context.fillStyle = colour('accent');
  context.fill();
  context.strokeStyle = colour('card');
  context.lineWidth = 1.5;
  context.stroke();
  const under = `z = ${text(value)}`;
  const half = context.measureText(under).width / 2;
  const centre = Math.min(plot.left + plot.width - half - 3, Math.max(plot.left + half, x));
  label(context, under, centre, plot.top + plot.height + densityHeight + 11, 'center');
  label(context, text(activated), plot.left + 4, y > plot.top + 24 ? y - 8 : y + 12, 'left');
}

function label(context, words, x, y, align) {
  const width = context.measureText(words).width;
  const left = align === 'center' ? x - width / 2 : x;
  context.fillStyle = colour('card');
  context.fillRect(left - 3, y - 8, width + 6, 15);
  context.fillStyle = colour('accent');
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.fillText(words, left, y);
  context.textBaseline = 'alphabetic';
}
