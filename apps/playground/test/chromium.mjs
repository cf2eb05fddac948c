import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { chromium } from 'playwright-core';

/** Where a Chromium of the system lies, or nothing. */
export const CHROMIUM = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts Chromium with a folder of its own, which is gone when it is closed. @param flags more of them, e.g. for graphics */
export async function openChromium({ flags = [], ...options } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'chromium-'));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: CHROMIUM,
    headless: true,
    args: [...FLAGS.filter((flag) => !(flag === '--disable-gpu' && flags.length > 0)), ...flags],
    acceptDownloads: true,
    ...options,
  });
  return {
    context,
    page: context.pages()[0] ?? (await context.newPage()),
    close: async () => {
      await context.close();
      await remove(folder);
    },
  };
}

/** Chromium's last processes write into their folder for a moment after they are told to end; a folder that stays is no fault. */
async function remove(folder) {
  for (let tries = 0; tries < 20; tries++) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch {
      await wait(250);
    }
  }
}

/** Software in the place of a graphics card. */
export const SOFTWARE_GRAPHICS = [
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--enable-unsafe-webgpu',
  '--ignore-gpu-blocklist',
];
