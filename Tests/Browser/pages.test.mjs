// Every sort of layer, light and dark, wide and narrow: axe's rules, the page's width, the console; and the screenshots.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { browser, models, open, output, samples, settled, sizes, violations } from './harness.mjs';

const layers = [
  ['dense', samples, 'swiglu/0', 'block'], ['plain', samples, 'gelu/0', 'ffn'], ['mixture', samples, 'mixture/0', 'block'],
  ['stack', models, 'stack/0', 'residual'], ['experts', models, 'experts/0', 'ffn'],
];

after(() => browser.close());

for (const [name, server, layer, mode] of layers) {
  for (const size of Object.keys(sizes)) {
    for (const scheme of ['light', 'dark']) {
      test(`${name}, ${size}, ${scheme}: axe finds nothing, and nothing is too wide`, async () => {
        const page = await open(server, layer, { size, scheme, mode });
        assert.deepEqual(await violations(page), []);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= sizes[size].width, `the page is ${wide} wide in a window of ${sizes[size].width}`);
        assert.deepEqual(page.errors, []);
        await page.screenshot({ path: join(output, `${name}-${size}-${scheme}.png`), fullPage: true });
        await page.context().close();
      });
    }
  }
}

// What the documents show: name, server, layer, how it is opened, and the height of the picture.
const pictures = [
  ['light', samples, 'swiglu/0', { scheme: 'light' }, 1130],
  ['dark', samples, 'swiglu/0', { scheme: 'dark', mode: 'block' }, 1130],
  ['mixture', samples, 'mixture/0', { scheme: 'light', mode: 'block' }, 1190],
  ['stack', models, 'stack/0', { scheme: 'dark' }, 1130],
  ['phone', samples, 'gelu/0', { scheme: 'light', size: 'phone' }, 844],
];
const mostBytes = 150_000;

for (const [name, server, layer, how, height] of pictures) {
  test(`the picture '${name}' of the documents`, async () => {
    const page = await open(server, layer, how);
    await page.setViewportSize({ width: sizes[how.size ?? 'desktop'].width, height });
    if (name === 'phone') await page.locator('[data-place="Pre-activation"]').evaluate(card => card.scrollIntoView());
    await page.evaluate(() => document.activeElement.blur());
    await settled(page);
    const path = join(output, `picture-${name}.png`);
    await page.screenshot({ path });
    const { size } = await stat(path);
    assert.ok(size > 10_000 && size <= mostBytes, `${size} bytes`);
  });
}
