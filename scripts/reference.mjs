// Compares every case of a folder with what Python PEFT saved and computed.
//   npm run -s reference -- DIR [--filter WORD] [--json]
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ensureBuilt } from './built.mjs';

const usage = 'usage: npm run -s reference -- DIR [--filter WORD] [--json]';
const { positionals, values } = arguments_();
const [root] = positionals;
if (positionals.length !== 1 || !(await stat(root).catch(() => undefined))?.isDirectory())
  stop(positionals.length === 1 ? `there is no folder ${root}` : 'give one folder of cases');

ensureBuilt();
const { runCases } = await import('./lib/runCases.mjs');
const summary = { passed: 0, failed: 0, skipped: 0 };
try {
  for await (const result of runCases(root, values.filter)) {
    summary[result.status]++;
    console.log(values.json ? JSON.stringify(result) : line(result));
  }
} catch (error) {
  stop(error.message);
}
console.log(values.json ? JSON.stringify({ summary }) : `${summary.passed} passed, ${summary.failed} failed, ${summary.skipped} skipped`);
process.exit(summary.failed > 0 || summary.passed === 0 ? 1 : 0);

function arguments_() {
  try {
    return parseArgs({ allowPositionals: true, options: { filter: { type: 'string' }, json: { type: 'boolean', default: false } } });
  } catch (error) {
    return stop(error.message);
  }
}

function stop(message) {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function line({ case: name, status, reason, errors }) {
  const numbers = Object.entries(errors).map(([measure, error]) => `${measure} ${error.toExponential(1)}`);
  return `${status.padEnd(7)} ${name}  ${[...(reason ? [reason] : []), ...(status === 'skipped' ? [] : [numbers.join(', ')])].join(' | ')}`;
}
