// The explorer as its users have it: what a click on a position lights, what numbers stand there, keys, the wheel, colours.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ask, browser, key, models, open, output, read, samples, settled, shown } from './harness.mjs';

const tokens = 24;

after(() => browser.close());

const strips = page => page.locator('.strip');
const strip = (page, place) => page.locator(`[data-place="${place}"] .strip`);
const chart = (page, place) => page.locator(`[data-place="${place}"] .elements`);

/** Fails unless one position is lit in every strip of the page, and it is this one. */
async function assertLit(page, position, places) {
  const lit = await strips(page).evaluateAll(all => all.map(one => [
    one.closest('[data-place]').dataset.place, [...one.children].flatMap((slot, i) => slot.classList.contains('lit') ? [i] : []),
  ]));
  assert.deepEqual(lit, places.map(place => [place, [position]]));
}

test('a click on a position lights it from the input to the output, with the numbers of the API', async () => {
  const page = await open(samples, 'swiglu/0', { mode: 'block' });
  const places = ['Input', 'Normalized', 'Pre-activation', 'Activation', 'Up', 'Hidden', 'Output'];
  for (const [place, position] of [['Activation', 17], ['Input', 0], ['Output', tokens - 1]]) {
    await strip(page, place).locator('.slot').nth(position).click();
    await settled(page);
    await assertLit(page, position, places);
    const reply = await ask(samples, { layer: 'swiglu/0', mode: 'block', position, random: { tokens, seed: 1 } });
    const stage = reply.stages[0];
    const rows = [reply.input, reply.normalized, stage.preActivation, stage.activated, stage.up, stage.hidden, reply.output];
    for (const [i, row] of rows.entries()) {
      assert.equal(
        await strip(page, places[i]).getAttribute('aria-valuetext'), `position ${position} of ${tokens}, RMS ${shown(row.rms[position])}`);
      const values = row.values;
      assert.match(
        await page.locator(`[data-place="${places[i]}"] .facts`).textContent(),
        new RegExp(`${shown(Math.min(...values))} to ${shown(Math.max(...values))}$`));
    }

    const neuron = Number((await page.locator('.side h3').textContent()).replace('Neuron ', ''));
    const steps = { z: stage.preActivation, a: stage.activated, u: stage.up, h: stage.hidden };
    for (const [name, row] of Object.entries(steps)) {
      assert.equal(await page.locator(`dt[data-of=${name}] + dd b`).textContent(), shown(row.values[neuron]), `${name} of neuron ${neuron}`);
    }
  }

  assert.deepEqual(page.errors, []);
});

test('pre- and post-activation have one scale', async () => {
  const page = await open(samples, 'swiglu/0', { mode: 'block' });
  const ends = await Promise.all(['Pre-activation', 'Activation', 'Input'].map(place => chart(page, place).getAttribute('data-end')));
  const { stages } = await ask(samples, { layer: 'swiglu/0', mode: 'block', position: 3, random: { tokens, seed: 1 } });
  const most = Math.max(...[...stages[0].preActivation.values, ...stages[0].activated.values].map(Math.abs));
  assert.equal(ends[0], ends[1]);
  assert.notEqual(ends[1], ends[2]);
  assert.ok(Number(ends[0]) >= most && Number(ends[0]) < 2 * most);
});

test('the formula with the numbers of a neuron is what stands after it', async () => {
  for (const layer of ['gelu/0', 'swiglu/0']) {
    const page = await open(samples, layer);
    await chart(page, 'Pre-activation').focus();
    for (const press of ['Home', 'ArrowRight', 'ArrowRight', 'PageDown', 'End']) {
      await page.keyboard.press(press);
      await settled(page);
      for (const line of await page.locator('.steps .numbers').allTextContents()) {
        const [, words, result] = line.split('=');
        if (result === undefined) continue;
        const value = Function(`return ${words.replace(/·/g, '*').replace(/½/g, '.5').replace(/−/g, '-')}`)();
        assert.ok(Math.abs(value - read(result)) <= 2e-3 * Math.max(Math.abs(value), 1e-3), `${layer}: ${line}`);
      }
    }
  }
});

test('keys walk through positions and neurons, zoom, and keep the focus', async () => {
  const page = await open(samples, 'gelu/0');
  await strip(page, 'Activation').focus();
  const position = () => strip(page, 'Output').getAttribute('aria-valuenow');
  const last = tokens - 1;
  const walk = [['Home', 0], ['ArrowRight', 1], ['ArrowUp', 2], ['ArrowLeft', 1], ['PageUp', 9], ['End', last], ['ArrowRight', last]];
  for (const [press, expected] of walk) {
    await page.keyboard.press(press);
    await settled(page);
    assert.equal(await position(), `${expected}`, press);
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Position, Activation');
  }

  await page.waitForFunction(at => document.getElementById('live').textContent.startsWith(`Position ${at} of`), last);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'the focus is seen');

  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Activation, neuron of d_ff = 512');
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  await settled(page);
  assert.match(await chart(page, 'Pre-activation').getAttribute('aria-valuetext'), /^neuron 1: /);
  assert.equal(await page.locator('.side h3').textContent(), 'Neuron 1');
  await page.waitForFunction(() => document.getElementById('live').textContent.startsWith('Neuron 1: pre-activation'));
  await page.keyboard.press('+');
  await settled(page);
  assert.equal(await page.locator('[data-place="Activation"] .thumb').evaluate(thumb => thumb.style.width), '50%');
  await page.keyboard.press('Escape');
  await settled(page);
  assert.equal(await page.locator('[data-place="Activation"] .thumb').evaluate(thumb => thumb.style.width), '100%');
});

test('every control is reached by Tab, once for each strip and chart', async () => {
  const page = await open(samples, 'gelu/0');
  const wanted = await page.evaluate(() => [...document.querySelectorAll('a, select, input, textarea, button, [tabindex="0"]')]
    .filter(one => one.checkVisibility() && !(one.type === 'radio' && !one.checked)).length);
  const seen = new Set();
  for (let i = 0; i < wanted; i++) {
    await page.keyboard.press('Tab');
    seen.add(await page.evaluate(() => [...document.querySelectorAll('*')].indexOf(document.activeElement)));
  }

  assert.equal(seen.size, wanted);
});

test('the wheel scrolls the page unless a chart has the focus', async () => {
  const page = await open(samples, 'gelu/0');
  const box = await chart(page, 'Input').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.wheel(0, 120);
  await page.waitForFunction(() => scrollY > 0);
  const width = place => page.locator(`[data-place="${place}"] .thumb`).evaluate(thumb => parseFloat(thumb.style.width));
  assert.equal(await width('Input'), 100);

  await chart(page, 'Pre-activation').focus();
  const at = await chart(page, 'Pre-activation').boundingBox();
  await page.mouse.move(at.x + at.width / 2, at.y + at.height / 2);
  const scrolled = await page.evaluate(() => scrollY);
  await page.mouse.wheel(0, -120);
  await page.waitForFunction(() => parseFloat(document.querySelector('[data-place="Pre-activation"] .thumb').style.width) < 100);
  assert.equal(await page.evaluate(() => scrollY), scrolled);
});

test('a finger scrolls the page, two zoom a chart, a tap chooses', async () => {
  const page = await open(samples, 'gelu/0', { size: 'phone', touch: true });
  const device = await page.context().newCDPSession(page);
  const touch = (type, ...points) => device.send(
    'Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  await chart(page, 'Pre-activation').scrollIntoViewIfNeeded();
  const box = await chart(page, 'Pre-activation').boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const before = await page.evaluate(() => scrollY);
  await touch('touchStart', [x, y]);
  for (let i = 1; i <= 8; i++) await touch('touchMove', [x, y - 25 * i]);
  await touch('touchEnd');
  await page.waitForFunction(was => scrollY > was + 50, before);

  await chart(page, 'Pre-activation').scrollIntoViewIfNeeded();
  const now = await chart(page, 'Pre-activation').boundingBox();
  const [left, top] = [now.x + now.width / 2, now.y + now.height / 2];
  await touch('touchStart', [left - 20, top]);
  await touch('touchStart', [left - 20, top], [left + 20, top]);
  for (let i = 1; i <= 4; i++) await touch('touchMove', [left - 20 - 10 * i, top], [left + 20 + 10 * i, top]);
  await touch('touchEnd');
  await settled(page);
  const share = await page.locator('[data-place="Pre-activation"] .thumb').evaluate(thumb => parseFloat(thumb.style.width));
  assert.ok(share > 20 && share < 50, `a third of the elements is shown after the fingers went from 40 to 120 apart, and it is ${share} %`);

  await page.touchscreen.tap(left, top);
  await settled(page);
  const tapped = Number(await chart(page, 'Pre-activation').getAttribute('aria-valuenow'));
  assert.ok(tapped > 128 && tapped < 384, `the neuron in the middle of 512, and it is ${tapped}`);
  const slot = await strip(page, 'Activation').locator('.slot').nth(9).boundingBox();
  await page.touchscreen.tap(slot.x + slot.width / 2, slot.y + slot.height / 2);
  await settled(page);
  assert.equal(await strip(page, 'Output').getAttribute('aria-valuenow'), '9');
  assert.deepEqual(page.errors, []);
});

test('a mixture shows its scores, the chosen experts and their shares', async () => {
  const page = await open(samples, 'mixture/0', { mode: 'block' });
  await strip(page, 'Router').locator('.slot').nth(11).click();
  await settled(page);
  await assertLit(page, 11, ['Input', 'Normalized', 'Router', 'Output']);
  const { routing } = await ask(samples, { layer: 'mixture/0', mode: 'block', position: 11, random: { tokens, seed: 1 } });
  const rows = await page.locator('.chosen tbody tr').evaluateAll(all => all.map(row => [...row.children].map(cell => cell.textContent)));
  assert.deepEqual(rows, routing.choices[11].map(
    route => [`${route.expert}`, shown(routing.scores[route.expert]), `${(100 * route.weight).toFixed(1)} %`]));
  assert.equal(rows.length, 2);
  assert.equal(
    await page.locator('.sum').textContent(),
    `F = ${routing.choices[11].map(route => `${shown(route.weight)} · expert ${route.expert}(norm(x))`).join(' + ')}`);
  const other = routing.scores.findIndex((_, expert) => routing.choices[11].every(route => route.expert !== expert));
  await chart(page, 'Router').focus();
  await page.keyboard.press('Home');
  for (let i = 0; i < other; i++) await page.keyboard.press('ArrowRight');
  await settled(page);
  assert.equal(
    await page.locator('aside .note').textContent(),
    `Expert ${other} has the score ${shown(routing.scores[other])} and was not chosen.`);
  assert.deepEqual(page.errors, []);
});

test('a stack shows every stage, each with its own neuron', async () => {
  const page = await open(models, 'stack/0', { mode: 'residual' });
  await strip(page, 'Activation 2').locator('.slot').nth(5).click();
  await settled(page);
  await assertLit(page, 5, ['Input', ...[1, 2, 3].flatMap(i => [`Pre-activation ${i}`, `Activation ${i}`]), 'Output']);
  const { stages } = await ask(models, { layer: 'stack/0', mode: 'residual', position: 5, random: { tokens, seed: 1 } });
  const neurons = (await page.locator('.side h4').allTextContents()).map(words => Number(words.replace('Neuron ', '')));
  const values = await page.locator('dt[data-of=a] + dd b').allTextContents();
  assert.deepEqual(values, stages.map((stage, i) => shown(stage.activated.values[neurons[i]])));
  assert.deepEqual(page.errors, []);
});

test('the switch of colours wins over the system and is kept', async () => {
  const page = await open(samples, 'gelu/0', { scheme: 'light' });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.locator('input[name=theme][value=dark]').check();
  const dark = await background();
  assert.notEqual(dark, light);
  await page.reload();
  await settled(page);
  assert.equal(await background(), dark);
  await page.locator('input[name=theme][value=auto]').check();
  assert.equal(await background(), light);
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.equal(await background(), dark);
});

test('what moves stands still where that is asked for', async () => {
  const durations = async motion => (await open(samples, 'gelu/0', { motion }))
    .locator('.slot .bar').first().evaluate(bar => getComputedStyle(bar).transitionDuration);
  assert.equal(await durations('reduce'), '0s');
  assert.notEqual(await durations('no-preference'), '0s');
});

test('what is wrong is said', async () => {
  const page = await open(samples, 'gelu/0');
  await page.locator('input[name=source][value=pasted]').check();
  await page.locator('#rows').fill('1 2 3');
  await page.locator('#apply').click();
  await page.waitForFunction(() => document.getElementById('status').textContent === 'Line 1 has 3 numbers; gelu/0 takes 128.');
  await page.locator('#rows').fill(Array.from({ length: 128 }, (_, i) => (i - 64) / 64).join(' '));
  await page.locator('#apply').click();
  await page.waitForFunction(() => document.getElementById('status').textContent === '');
  assert.equal(await strips(page).first().evaluate(one => one.children.length), 1);
  await page.locator('input[name=source][value=random]').check();
  await settled(page);
  await page.locator('#tokens').fill('65');
  await page.locator('#tokens').press('Enter');
  await page.waitForFunction(() => document.getElementById('status').textContent.includes('There are 65 rows, but must be 1 to 64.'));
  assert.ok(await page.locator('#status.error').isVisible());
});

test('the code is copied, and is what the next step compiles and runs', async () => {
  const page = await open(samples, 'mixture/0', { mode: 'block' });
  await page.locator('#code button').click();
  const code = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(code, await page.locator('#code code').textContent());
  const { output: row } = await ask(samples, { layer: 'mixture/0', mode: 'block', position: 3, random: { tokens, seed: 1 } });
  await writeFile(join(output, 'Program.cs'), `${code}\nint width = layer.Spec.OutputWidth;\n`
    + 'foreach (float value in y.AsSpan(3 * width, width))\n{\n'
    + '    Console.WriteLine(value.ToString("R", System.Globalization.CultureInfo.InvariantCulture));\n}\n');
  await writeFile(join(output, 'expected'), row.values.map(value => `${value}\n`).join(''));
});

test('without the key nothing is shown, and nothing of it is kept', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(models);
  await page.locator('#key').waitFor({ state: 'visible' });
  assert.equal(await page.locator('[data-place]').count(), 0);
  await page.locator('#key').fill(key);
  await page.locator('#key').press('Enter');
  await page.locator('[data-place="Output"]').waitFor();
  assert.ok(!JSON.stringify(await page.context().storageState()).includes(key));
});
