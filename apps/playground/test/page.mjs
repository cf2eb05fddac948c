import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openChromium } from './chromium.mjs';
import { serve } from './serve.mjs';

const DIST = process.env.PG_DIST ?? fileURLToPath(new URL('../dist', import.meta.url));
/** No step takes so long, on a busy machine either. */
const PATIENCE = 240_000;

/** Opens the page in a browser of its own, and gives what a person does there. @param folder where downloads go */
export async function openPage(folder, { flags, answer, ...options } = {}) {
  const server = await serve(DIST, answer);
  const browser = await openChromium({ ...(flags && { flags }), ...options });
  const { page } = browser;
  page.setDefaultTimeout(PATIENCE);
  const said = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  await page.addInitScript(() => {
    globalThis.longTasks = [];
    new PerformanceObserver((list) => {
      for (const { duration, startTime } of list.getEntries()) globalThis.longTasks.push({ duration, startTime });
    }).observe({ type: 'longtask', buffered: true });
  });
  await page.goto(server.url);

  const settled = async () => {
    await page.waitForFunction(() => globalThis.playground && !playground.task && (playground.model || playground.problem));
    return page.evaluate(() => playground.problem);
  };
  const self = {
    page,
    url: server.url,
    said,
    /** Waits until nothing is being done. @returns what went wrong */
    settled,
    /** The same. Errors: something went wrong */
    async well() {
      const problem = await settled();
      if (problem) throw new Error(`the page says: ${problem.title}. ${problem.detail}\n${said.join('\n')}`);
    },
    async set(fields) {
      for (const [name, value] of Object.entries(fields)) await page.fill(`#setup [name="${name}"]`, String(value));
    },
    async train() {
      await page.click('#train');
      await self.well();
    },
    /** What stands of an adapter in the list. */
    adapter: (place) => page.locator('#adapter-list > li').nth(place),
    /** Clicks what downloads, and waits for so many files. @returns their contents by name; they also lie in the folder */
    async download(target, count, into = '') {
      const arriving = [];
      const all = new Promise((resolve) => {
        page.on('download', function take(download) {
          arriving.push(download);
          if (arriving.length < count) return;
          page.off('download', take);
          resolve();
        });
      });
      await target.click();
      await all;
      await mkdir(join(folder, into), { recursive: true });
      const files = {};
      for (const download of arriving) {
        const name = download.suggestedFilename();
        await download.saveAs(join(folder, into, name));
        files[name] = await readFile(join(folder, into, name));
      }
      return files;
    },
    /** The scores of the next tokens, as the page computes them with its adapter of this place in the list, or without one. */
    logits: (ids, place) =>
      page.evaluate(
        async ([ids, place]) => {
          const adapter = place === null ? null : playground.adapters[place];
          return [...(await playground.client.call('logits', { ids, adapter: adapter && { id: adapter.id, files: adapter.files } }))];
        },
        [ids, place],
      ),
    /** Lets files fall onto the page. */
    drop: (files) =>
      page.evaluate(
        (files) => {
          const dataTransfer = new DataTransfer();
          for (const [name, bytes] of files) dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
          document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
        },
        Object.entries(files).map(([name, bytes]) => [name, [...bytes]]),
      ),
    async close() {
      await browser.close();
      await server.close();
    },
  };
  return self;
}
