import { asTable } from './table.mjs';

const heading = '## Notes';

/**
 * The page of results. Rows of an earlier page stay where they are of the same machine and not measured anew, and so does
 * what was written under its notes.
 * @param machine a line about what was measured on
 * @param rows what was measured, see `asTable`
 * @param order names of all scenarios
 * @param bundles sizes in bytes by name
 */
export function resultsPage({ earlier, machine, rows, order, bundles }) {
  const measured = new Map(rows.map((row) => [row.scenario, asTable([row], false)]));
  const kept = earlier.includes(machine) ? earlier.split('\n').filter((line) => order.some((name) => line.startsWith(`| ${name} |`))) : [];
  for (const line of kept) {
    const [, name] = line.split(/\s*\|\s*/);
    if (!measured.has(name)) measured.set(name, line);
  }
  const notes = earlier.includes(heading) ? earlier.slice(earlier.indexOf(heading)) : '';
  return `# Against Python PEFT, on one machine

${machine}. Both sides ran in turn; a pair counts where nothing else used more than a fifth of a core; medians, with the spread. The ratio is theirs over ours: above 1 is faster, or smaller, here. \`npm run -s bench -- --write\` makes this page.

${asTable([], true)}
${order.flatMap((name) => measured.get(name) ?? []).join('\n')}

| what an application imports | bytes, gzipped |
|---|---|
${Object.entries(bundles)
  .map(([name, { gzip }]) => `| ${name} | ${gzip} |`)
  .join('\n')}

tfjs-core comes on top, which the application brings.
${notes && `\n${notes}`}`;
}
