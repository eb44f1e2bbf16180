// A page in headless Chromium, with what it says to the console, and what axe says of it.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const required = name => process.env[name] ?? (() => { throw new Error(`${name} is not set; build/test-explorer.sh sets it.`); })();

/** The server without a model, the one with a stack and a mixture, and the latter's key. */
export const samples = required('EXPLORER_SAMPLES');
export const models = required('EXPLORER_MODELS');
export const key = required('EXPLORER_KEY');

/** What is written: screenshots, and the code that the page shows, with the output that it must give. */
export const output = required('EXPLORER_OUTPUT');

export const sizes = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const browser = await chromium.launch({ executablePath: required('EXPLORER_CHROMIUM'), args: ['--no-sandbox'] });

/** Opens the explorer on a layer, and gives the page with the errors of its console. */
export async function open(server, layer, { size = 'desktop', scheme = 'light', mode = 'ffn', motion = 'reduce', touch = false } = {}) {
  const context = await browser.newContext({
    viewport: sizes[size], colorScheme: scheme, reducedMotion: motion, hasTouch: touch, isMobile: touch,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  page.errors = [];

  // A server with keys refuses the first request, which the browser writes there too.
  page.on('console', message => {
    if (message.type() === 'error' && !/status of 401/.test(message.text())) page.errors.push(message.text());
  });
  page.on('pageerror', error => page.errors.push(error.message));
  await page.goto(server);
  if (server === models) {
    await page.locator('#key').fill(key);
    await page.locator('#key').press('Enter');
  }

  await page.locator('[data-place="Output"]').waitFor();
  await page.selectOption('#layer', layer);
  await settled(page);
  if (mode !== 'ffn') {
    await page.locator(`input[name=mode][value=${mode}]`).check();
    await settled(page);
  }

  return page;
}

/** Waits until the last answer is shown and drawn. */
export async function settled(page) {
  await page.waitForFunction(() => document.body.getAttribute('aria-busy') === 'false' && document.querySelector('[data-place="Output"]'));
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** What the page's script would be answered. */
export async function ask(server, body) {
  const answer = await fetch(new URL('api/compute/ffn', server), {
    method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Api-Key': key }, body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** The violations of the WCAG's rules to AA and of good practice, in words. */
export async function violations(page) {
  // By the debugger and not by a script element, which the page's policy forbids.
  await page.evaluate(axe);
  const report = await page.evaluate(() => globalThis.axe.run(document));
  const tried = report.passes.map(rule => rule.id);
  for (const rule of ['color-contrast', 'label', 'heading-order', 'region']) {
    if (!tried.includes(rule)) throw new Error(`axe looked at nothing by its rule '${rule}'; it passed ${tried.join(', ')}.`);
  }

  return report.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary}`));
}

/** A number as the page writes it. */
export function shown(value) {
  if (value === 0) return '0';
  const size = Math.abs(value);
  const plain = size >= 1e5 || size < 1e-4 ? value.toExponential(3) : value.toPrecision(4);
  return plain.replace(/-/g, '−');
}

/** A number that the page wrote. */
export const read = words => Number(words.replace(/−/g, '-'));
