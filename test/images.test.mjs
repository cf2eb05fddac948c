// Pictures are read by what was built: in ESM, in CJS, and in a real Chromium, where there is one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { CHROMIUM, openChromium } from '../apps/playground/test/chromium.mjs';
import { readJson, root } from '../scripts/workspace.mjs';

const fixtures = join(root, 'packages/models/src/fixtures/vision');
const { decoded } = readJson(join(fixtures, 'pillow.json'));

/** How far a picture is from what Pillow reads; grey may be given as colour. */
function distance({ width, height, data }, { expected, ...wanted }) {
  assert.deepEqual([width, height], [wanted.width, wanted.height]);
  const bytes = Buffer.from(expected, 'base64');
  const each = data.length / bytes.length;
  return bytes.reduce((most, byte, i) => Math.max(most, Math.abs(byte - data[i * each])), 0);
}

const require = createRequire(import.meta.url);
for (const [kind, load] of [
  ['ESM', () => import('@peft/models/images')],
  ['CJS', () => require('@peft/models/images')],
])
  test(`pictures in ${kind}`, async () => {
    const { readImage } = await load();
    for (const name of ['rgba.png', 'turned.jpg'])
      assert.equal(distance(await readImage(readFileSync(join(fixtures, 'images', name))), decoded[name]), 0, name);
  });

test('pictures in a browser', { skip: CHROMIUM ? false : 'there is no Chromium' }, async () => {
  const program = `
    import { readImage, readSegmentationMap } from '@peft/models/images';
    const results = {};
    for (const name of ${JSON.stringify(Object.keys(decoded))}) {
      const { width, height, data } = await readImage('/' + name);
      const file = await (await fetch('/' + name)).blob();
      results[name] = { width, height, data: [...data] };
      if (name.startsWith('palette')) results[name].map = [...(await readSegmentationMap(file)).data];
    }
    results.damaged = await readImage(new Uint8Array(40)).catch((error) => error.message);
    results.missing = await readImage('/nothing.png').catch((error) => error.message);
    await fetch('/results', { method: 'POST', body: JSON.stringify(results) });
  `;
  const bundle = await build({
    stdin: { contents: program, resolveDir: root },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    logLevel: 'error',
    tsconfigRaw: {},
  });
  const { promise, resolve } = withResolvers();
  const server = createServer((request, response) => {
    const name = request.url.slice(1);
    if (name === 'results') {
      let text = '';
      request.on('data', (part) => (text += part));
      request.on('end', () => resolve(JSON.parse(text)));
      response.end();
    } else if (name === '') {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><script type="module" src="/program.js"></script>');
    } else if (name === 'program.js') {
      response.setHeader('content-type', 'text/javascript');
      response.end(bundle.outputFiles[0].contents);
    } else if (Object.hasOwn(decoded, name)) response.end(readFileSync(join(fixtures, 'images', name)));
    else {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const browser = await openChromium();
  const late = setTimeout(() => resolve(undefined), 120_000);
  try {
    await browser.page.goto(`http://127.0.0.1:${server.address().port}/`);
    const results = await promise;
    assert.ok(results, 'the page gave no results within two minutes');
    for (const [name, wanted] of Object.entries(decoded)) {
      assert.equal(distance(results[name], wanted), 0, name);
      if (results[name].map) assert.deepEqual(results[name].map, [...Buffer.from(wanted.map, 'base64')]);
    }
    assert.match(results.missing, /nothing.png cannot be fetched: the server answers 404/);
    assert.match(results.damaged, /^this browser cannot read the picture: /);
  } finally {
    clearTimeout(late);
    await browser.close();
    server.close();
  }
});

function withResolvers() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
