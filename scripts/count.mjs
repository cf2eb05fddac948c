// Prints how many parameters an adapter trains, from two config files alone.
//   npm run -s count -- config.json adapter_config.json
import { basename, dirname } from 'node:path';
import { ensureBuilt } from './built.mjs';

const files = process.argv.slice(2);
if (files.length !== 2) {
  console.error('usage: npm run -s count -- config.json adapter_config.json');
  process.exit(2);
}
try {
  ensureBuilt();
  const { folder, readJson, setWarningHandler } = await import('@peft/core');
  const { modelOfShapes } = await import('./lib/modelOfShapes.mjs');
  setWarningHandler((message) => console.error(message));
  const [config, adapter] = await Promise.all(files.map((file) => readJson(folder(dirname(file)), basename(file))));
  (await modelOfShapes(config, adapter)).printTrainableParameters();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
