// Every sort of layer, light and dark, wide and narrow: axe's rules, the page's width, the console; and the screenshots.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { browser, models, open, output, samples, sizes, violations } from './harness.mjs';

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
