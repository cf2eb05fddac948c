// Reads every NNN.json of a folder as an adapter's config and prints it with all defaults filled in, a JSON line a file.
//   npm run -s configs -- DIR
import { readdir } from 'node:fs/promises';
import { ensureBuilt } from './built.mjs';

const [dir, ...rest] = process.argv.slice(2);
const names = dir && rest.length === 0 && (await readdir(dir).catch(() => undefined));
if (!names) {
  console.error(`${dir ? `there is no folder ${dir}\n` : ''}usage: npm run -s configs -- DIR`);
  process.exit(2);
}
ensureBuilt();
const { folder, makeConfig, readJson, setWarningHandler } = await import('@peft/core');
const { loadTuner } = await import('@peft/auto');

const source = folder(dir);
for (const file of names.filter((name) => /^\d+\.json$/.test(name)).sort()) {
  const warnings = [];
  setWarningHandler((message) => warnings.push(message));
  try {
    const raw = await readJson(source, file);
    const config = makeConfig(await loadTuner(raw.peft_type), raw, { fromFile: true });
    console.log(JSON.stringify({ file, config, warnings }));
  } catch (error) {
    console.log(JSON.stringify({ file, error: error.message }));
  }
}
