const number = (value) => (value === null ? '–' : String(value));
const range = (value, spread, unit) => (spread ? `${number(value)} ${unit} (${spread[0]}–${spread[1]})` : '–');

/** Rows of results as a Markdown table. */
export function asTable(rows, withHead) {
  const head = ['| scenario | what | here | Python PEFT | ratio | pairs |', '|---|---|---|---|---|---|'];
  const lines = rows.map(({ scenario, what, unit, ours, theirs, ratio, pairs, discarded, spread, reason }) => {
    const count = `${pairs}${discarded ? `, ${discarded} discarded` : ''}`;
    return `| ${scenario} | ${what} | ${range(ours, spread?.ours, unit)} | ${range(theirs, spread?.theirs, unit)} | ${reason ?? number(ratio)} | ${count} |`;
  });
  return [...(withHead ? head : []), ...lines].join('\n');
}
