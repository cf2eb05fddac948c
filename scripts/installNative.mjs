// Installs the native engine (TensorFlow's own library) where `npm test` and `npm run -s bench` look for it, or into another folder.
//   node scripts/installNative.mjs [DIR]   DIR is .cache/native unless given; other programs: PEFT_NATIVE=DIR
import { join } from 'node:path';
import { ensureBuilt } from './built.mjs';
import { root } from './workspace.mjs';

try {
  ensureBuilt();
  const { installNative } = await import('@peft/cli');
  const folder = await installNative(process.argv[2] ?? join(root, '.cache', 'native'), console.error);
  console.log(`the native engine is ready: PEFT_NATIVE=${folder}`);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
