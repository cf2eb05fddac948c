// The page as it was built, in a real browser: from opening it to an adapter that Node loads and that gives the same scores.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { folder as folderSource } from '@peft/core';
import { CHROMIUM, SOFTWARE_GRAPHICS } from './chromium.mjs';
import { hubOf } from './hub.mjs';
import { farthest, nodeLogits, startNode, writeSmallModel } from './node.mjs';
import { openPage } from './page.mjs';

const skip = !CHROMIUM
  ? 'there is no Chromium here: install one, or name it in CHROMIUM'
  : !existsSync(fileURLToPath(new URL('../dist/index.html', import.meta.url))) && 'the page is not built: npm run build';
const MODEL = fileURLToPath(new URL('../../../models/sotu-0.9m', import.meta.url));
const VOCABULARY = 1024;
const IDS = [12, 345, 67, 890, 123, 456, 78, 901];
const scratch = mkdtempSync(join(tmpdir(), 'playground-'));
const small = join(scratch, 'small');
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('the page in Chromium', { skip, timeout: 900_000 }, () => {
  let page;
  before(async () => {
    await startNode();
    await writeSmallModel(small, MODEL);
    page = await openPage(scratch, { viewport: { width: 1280, height: 900 }, answer: hubOf('me/small', small) });
    await page.well();
  });
  after(() => page?.close());

  it('says what computes, and why nothing better does', async () => {
    assert.match(await page.page.textContent('#engine'), /^Computing with wasm, \d+ thread/);
    assert.match(await page.page.getAttribute('#engine', 'title'), /webgpu: .*\nwebgl: /);
    assert.match(await page.page.textContent('#model-state'), /sotu-0\.9m: llama, 869,504 parameters/);
  });

  it('trains by keyboard alone, shows how it goes, and stays responsive', async () => {
    await page.set({ steps: 10, batch_size: 4, block: 32 });
    await page.page.fill('#write-tokens', '8');
    // What is long each time is the page's doing; what is long once may be another program's.
    const longest = [];
    while (longest.length < 3 && !(Math.min(...longest) <= 200)) {
      await page.page.evaluate(() => playground.adapters.forEach(playground.remove));
      const from = await page.page.evaluate(() => performance.now());
      await page.page.press('#setup [name="steps"]', 'Enter');
      await page.page.waitForFunction(() => /^[2-9] of 10$/.test(document.getElementById('figure-step').textContent));
      assert.match(await page.page.textContent('#figure-loss'), /^\d\.\d{3}$/);
      assert.ok(Number((await page.page.textContent('#figure-speed')).replaceAll(',', '')) > 0);
      assert.match(await page.page.getAttribute('#curve svg', 'aria-label'), /Loss over \d+ steps/);
      await page.well();
      assert.match(await page.page.textContent('#run-state'), /LoRA is trained: 10 steps/);
      const tasks = await page.page.evaluate(
        (from) => longTasks.filter(({ startTime }) => startTime > from).map(({ duration }) => duration),
        from,
      );
      longest.push(Math.max(0, ...tasks));
    }
    assert.ok(Math.min(...longest) <= 200, `the longest tasks took ${longest} ms`);
  });

  it('writes with and without the adapter, which makes the held-out text likelier', async () => {
    const samples = await page.page.evaluate(() =>
      playground.samples.map(({ text, heldOut, adapter }) => ({ text, heldOut, name: adapter?.name })),
    );
    assert.equal(samples.length, 2);
    assert.ok(samples.every(({ text }) => text.length > 0));
    assert.ok(samples[1].heldOut < samples[0].heldOut - 0.02, JSON.stringify(samples));
    assert.match(await page.page.textContent('#samples'), /The model alone.*held-out loss.*LoRA.*perplexity/s);
  });

  it('stops, and goes on as if it had not', async () => {
    await page.page.click('#train');
    await page.page.waitForFunction(() => playground.run.step >= 2);
    await page.page.click('#stop');
    await page.well();
    const step = await page.page.evaluate(() => playground.run.step);
    assert.ok(step < 10, `it stopped at step ${step}`);
    assert.match(await page.page.textContent('#run-state'), new RegExp(`LoRA 2 was stopped after ${step} of 10 steps`));
    await page.page.getByRole('button', { name: 'Go on: LoRA 2' }).click();
    await page.well();
    const [first, second] = await page.page.evaluate(async () =>
      Promise.all(
        playground.adapters.map(async ({ losses, files }) => ({
          losses,
          bytes: [...new Uint8Array(await files['adapter_model.safetensors'].arrayBuffer())].join(),
        })),
      ),
    );
    assert.deepEqual(second.losses, first.losses);
    assert.equal(second.bytes, first.bytes);
  });

  it("gives PEFT's two files, which Node loads to the same scores", async () => {
    const files = await page.download(page.page.getByRole('button', { name: 'Download: LoRA', exact: true }), 2, 'adapter');
    assert.deepEqual(Object.keys(files).sort(), ['adapter_config.json', 'adapter_model.safetensors']);
    const expected = await nodeLogits(MODEL, IDS, join(scratch, 'adapter'));
    assert.ok(farthest(await page.logits(IDS, 0), expected) < 1e-4);
    assert.ok(farthest(await page.logits(IDS, null), expected) > 1e-2);
  });

  it("takes PEFT's files, by drop too, and uses them", async () => {
    const files = await folderSource(join(scratch, 'adapter'));
    const read = async (name) => [name, await files.read(name)];
    await page.drop(Object.fromEntries(await Promise.all(['adapter_config.json', 'adapter_model.safetensors'].map(read))));
    await page.page.waitForFunction(() => playground.adapters.length === 3);
    await page.well();
    assert.deepEqual(await page.logits(IDS, 2), await page.logits(IDS, 0));
    assert.match(await page.page.textContent('#adapter-list'), /from files/);
  });

  it('merges, and the merged model is one that Node loads', async () => {
    await page.page.getByRole('button', { name: 'Merge: LoRA', exact: true }).click();
    await page.well();
    const files = await page.download(page.page.getByRole('button', { name: 'Download all' }), 6, 'merged');
    assert.ok(files['model.safetensors'] && files['config.json'] && files['tokenizer.json']);
    assert.ok(farthest(await page.logits(IDS, 0), await nodeLogits(join(scratch, 'merged'), IDS)) < 1e-4);
    assert.ok(farthest(await page.logits(IDS, null), await nodeLogits(MODEL, IDS)) < 1e-4, 'the model itself stays as it was');
  });

  const methods = { ADALORA: 1e-4, IA3: 1e-4, PROMPT_TUNING: 1e-4, P_TUNING: 1e-4, PREFIX_TUNING: 1e-4, ADAPTION_PROMPT: 1e-4 };
  for (const [method, tolerance] of Object.entries(methods))
    it(`trains ${method}, and Node loads it to the same scores`, async () => {
      await page.page.selectOption('#method-choice', method);
      if (method === 'ADALORA')
        for (const [name, value] of Object.entries({ tinit: 1, tfinal: 1, deltaT: 1 })) await page.set({ [name]: value });
      await page.set({ steps: 4, batch_size: 2, block: 16 });
      await page.page.fill('#write-tokens', '2');
      await page.train();
      const place = (await page.page.evaluate(() => playground.adapters.length)) - 1;
      const losses = await page.page.evaluate((place) => playground.adapters[place].losses, place);
      assert.equal(losses.length, 4);
      await page.download(
        page
          .adapter(place)
          .getByRole('button', { name: /^Download/ })
          .first(),
        2,
        method,
      );
      const expected = await nodeLogits(MODEL, IDS, join(scratch, method));
      assert.ok(farthest(await page.logits(IDS, place), expected) < tolerance);
      assert.ok(
        farthest((await page.logits(IDS, null)).slice(-VOCABULARY), expected.slice(-VOCABULARY)) > 1e-3,
        'the adapter changes something',
      );
    });

  it('says what is wrong with a file, and goes on', async () => {
    await page.drop({ 'adapter_config.json': Buffer.from('{ "peft_type": "LORA"'), 'adapter_model.safetensors': Buffer.from('nothing') });
    await page.page.waitForFunction(() => playground.problem);
    assert.match(await page.page.textContent('#problem'), /This adapter cannot be used.*adapter_config\.json.*JSON/s);
    await page.page.click('#problem-close');
    const config = Buffer.from('{ "peft_type": "LORA", "task_type": "CAUSAL_LM", "target_modules": ["q_proj"] }');
    await page.drop({ 'adapter_config.json': config, 'adapter_model.safetensors': Buffer.alloc(64, 255) });
    await page.page.waitForFunction(() => playground.problem && !playground.task);
    assert.match(await page.page.textContent('#problem'), /no valid safetensors file/);
    assert.ok(await page.page.evaluate(() => document.activeElement.id === 'problem'), 'it is read out at once');
    await page.page.click('#problem-close');
    await page.drop({ 'picture.txt': Buffer.from([0xff, 0xd8, 0xff, 0xe0]) });
    await page.page.selectOption('#method-choice', 'LORA');
    await page.page.click('#train');
    assert.match((await page.settled()).hint, /picture\.txt cannot be read as text in UTF-8/);
    await page.page.click('#problem-close');
    assert.ok(farthest(await page.logits(IDS, null), await nodeLogits(MODEL, IDS)) < 1e-4);
  });

  it('says that memory ran out, and goes on', async () => {
    await page.page.check('#text [value="built-in"]', { force: true });
    await page.page.selectOption('#method-choice', 'PROMPT_TUNING');
    await page.page.selectOption('[name="prompt_tuning_init"]', 'random');
    await page.set({ num_virtual_tokens: 1_000_000_000 });
    await page.page.click('#train');
    const { title, hint } = await page.settled();
    assert.match(title, /memory ran out/);
    assert.match(hint, /smaller/);
    await page.page.click('#problem-close');
    await page.set({ num_virtual_tokens: 4 });
    await page.train();
  });

  it('loads a model from a hub, and says what there is not', async () => {
    await page.page.check('#model [value="hub"]', { force: true });
    await page.page.fill('#hub-repo', 'me/absent');
    await page.page.click('#model summary');
    await page.page.fill('#hub-endpoint', page.url);
    await page.page.press('#hub-repo', 'Enter');
    assert.match((await page.settled()).detail, /there is no repository me\/absent/);
    await page.page.fill('#hub-repo', 'me/small');
    await page.page.click('#hub-load');
    await page.well();
    assert.match(await page.page.textContent('#model-state'), /^me\/small: llama/);
    assert.equal(await page.page.locator('#adapter-list > li').count(), 0, 'adapters of another model are not shown');
    assert.ok(farthest(await page.logits(IDS, null), await nodeLogits(small, IDS)) < 1e-4);
    await page.page.check('#model [value="built-in"]', { force: true });
    await page.well();
    assert.ok((await page.page.locator('#adapter-list > li').count()) > 0);
  });

  it('has a name for every control, and each is reached by keyboard', async () => {
    const session = await page.page.context().newCDPSession(page.page);
    const { nodes } = await session.send('Accessibility.getFullAXTree');
    const roles = ['button', 'textbox', 'combobox', 'radio', 'checkbox', 'link', 'spinbutton', 'progressbar', 'img'];
    const nameless = nodes.filter(({ ignored, role, name }) => !ignored && roles.includes(role?.value) && !name?.value);
    assert.deepEqual(
      nameless.map(({ role }) => role.value),
      [],
    );
    await page.page.evaluate(() => document.body.focus());
    const reached = new Set();
    for (let i = 0; i < 120; i++) {
      await page.page.keyboard.press('Tab');
      const where = await page.page.evaluate(() => {
        const { activeElement: at } = document;
        return at === document.body ? '' : at.id || at.name || at.textContent;
      });
      if (reached.has(where) && where === 'method-choice') break;
      reached.add(where);
    }
    for (const wanted of [
      'model',
      'text',
      'method-choice',
      'steps',
      'engine-choice',
      'train',
      'prompt',
      'write',
      'adapter-files',
      'Download',
      'Merge',
    ])
      assert.ok(reached.has(wanted), `${wanted} is not reached: ${[...reached].join(', ')}`);
  });

  it('fits a telephone, and the dark', async () => {
    await page.page.setViewportSize({ width: 360, height: 740 });
    await page.page.emulateMedia({ colorScheme: 'dark' });
    await page.page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth, null, { timeout: 5000 }).catch(() => {});
    const { wide, paper, over } = await page.page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      over: [...document.querySelectorAll('body *')]
        .filter((e) => e.getBoundingClientRect().right > 361)
        .map((e) => `${e.tagName}#${e.id}.${e.className}`),
      paper: getComputedStyle(document.body).backgroundColor,
    }));
    assert.ok(wide <= 360, `it is ${wide} wide: ${over}`);
    const [light] = paper.match(/\d+/);
    assert.ok(Number(light) < 60, `in the dark the paper is ${paper}`);
  });
});

describe('the page with a graphics engine', { skip, timeout: 900_000 }, () => {
  let page;
  before(async () => {
    await startNode();
    await writeSmallModel(small, MODEL);
    page = await openPage(scratch, { flags: SOFTWARE_GRAPHICS });
    await page.well();
  });
  after(() => page?.close());

  for (const engine of ['webgl', 'webgpu'])
    it(`trains a model from a folder on ${engine}, and Node loads the adapter to the same scores`, async (test) => {
      await page.page.selectOption('#engine-choice', engine);
      await page.page.waitForFunction(() => !playground.task && (playground.model || playground.problem));
      const problem = await page.page.evaluate(() => playground.problem?.detail);
      if (problem) return test.skip(`this Chromium offers no ${engine}: ${problem}`);
      await page.page.setInputFiles('#model-files', small);
      await page.page.waitForFunction(() => playground.model?.name === 'small');
      await page.well();
      await page.set({ steps: 2, batch_size: 1, block: 8 });
      await page.page.fill('#write-tokens', '1');
      await page.train();
      assert.match(await page.page.textContent('#engine'), new RegExp(engine));
      const place = (await page.page.evaluate(() => playground.adapters.length)) - 1;
      await page.download(
        page
          .adapter(place)
          .getByRole('button', { name: /^Download/ })
          .first(),
        2,
        engine,
      );
      const expected = await nodeLogits(small, IDS, join(scratch, engine));
      assert.ok(farthest(await page.logits(IDS, place), expected) < 1e-4);
      assert.ok(farthest(await page.logits(IDS, null), expected) > 1e-3, 'the adapter changes something');
    });
});
