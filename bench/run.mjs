// Times the project against Python PEFT on this machine.
//   npm run -s bench -- [--scenario NAME …] [--pairs N] [--engine native|wasm] [--json] [--write]
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/built.mjs';

const usage = `usage: npm run -s bench -- [options]
  --scenario NAME   one of them; may stand several times   [all]
  --pairs N         clean pairs of samples a scenario      [5]
  --engine NAME     native or wasm                         [native]
  --json            a line of JSON a scenario, and nothing else on stdout
  --write           writes what was measured into bench/RESULTS.md`;
const options = readOptions();
const log = (line) => console.error(line);

ensureBuilt();
const { jobOf, scenarios } = await import('./scenarios.mjs');
const { compare, median } = await import('./lib/compare.mjs');
const { native, python } = await import('./lib/environment.mjs');
const { resultsPage } = await import('./lib/page.mjs');
const { asTable } = await import('./lib/table.mjs');

const unknown = options.scenario.filter((name) => !Object.hasOwn(scenarios, name));
if (unknown.length > 0) stop(`there is no scenario ${unknown.join(', ')}; there are ${Object.keys(scenarios).join(', ')}`);

const { program, versions } = python(log);
const env = options.engine === 'native' ? { PEFT_NATIVE: await native(log) } : {};
const rows = [];
for (const name of options.scenario.length > 0 ? options.scenario : Object.keys(scenarios)) {
  const scenario = scenarios[name];
  const row = await runScenario(name, scenario);
  rows.push({ ...row, what: scenario.what, unit: scenario.unit });
  console.log(options.json ? JSON.stringify(row) : asTable(rows.slice(-1), rows.length === 1));
}
if (options.write) writePage();
process.exit(rows.every(({ ratio }) => ratio !== null) ? 0 : 3);

async function runScenario(name, scenario) {
  log(`${name}: ${scenario.what}`);
  const job = await jobOf(scenario);
  const args = [scenario.kind, JSON.stringify(job)];
  const here = (path) => new URL(path, import.meta.url).pathname;
  const sides = {
    ours: { command: [process.execPath, here('ours/work.mjs'), scenario.kind, JSON.stringify({ ...job, engine: options.engine })], env },
    theirs: { command: [program, here('theirs/work.py'), ...args], env: {} },
  };
  for (const side of Object.values(sides)) side.fresh = scenario.fresh ?? false;
  const { ours, theirs, discarded, outside } = await compare({ ...sides, measure: scenario.measure }, options.pairs);
  const enough = ours.length >= options.pairs;
  const spread = (values) => [Math.min(...values), Math.max(...values)].map(round);
  return {
    scenario: name,
    engine: options.engine,
    ours: ours.length > 0 ? round(median(ours)) : null,
    theirs: theirs.length > 0 ? round(median(theirs)) : null,
    ratio: enough ? round(median(ours.map((value, i) => theirs[i] / value))) : null,
    pairs: ours.length,
    discarded,
    outsideCpu: round(median(outside)),
    ...(ours.length > 0 && { spread: { ours: spread(ours), theirs: spread(theirs) } }),
    ...(!enough && { reason: `other work kept the machine busy: ${ours.length} of ${options.pairs} clean pairs in ten minutes` }),
  };
}

function round(value) {
  return Number(value.toPrecision(4));
}

function writePage() {
  const file = new URL('RESULTS.md', import.meta.url);
  const machine = `${cpus().length} × ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, ${versions}`;
  const bundles = JSON.parse(readFileSync(new URL('../bundles.json', import.meta.url), 'utf8'));
  writeFileSync(file, resultsPage({ earlier: readFileSync(file, 'utf8'), machine, rows, order: Object.keys(scenarios), bundles }));
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        scenario: { type: 'string', multiple: true, default: [] },
        pairs: { type: 'string', default: '5' },
        engine: { type: 'string', default: 'native' },
        json: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
      },
    });
    const pairs = Number(values.pairs);
    if (!Number.isInteger(pairs) || pairs < 1) throw new Error(`--pairs must be a whole number above 0, not ${values.pairs}`);
    if (!['native', 'wasm'].includes(values.engine)) throw new Error(`--engine must be native or wasm, not ${values.engine}`);
    return { ...values, pairs };
  } catch (error) {
    return stop(error.message);
  }
}

function stop(message) {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}
