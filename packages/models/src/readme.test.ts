import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { AutoClass } from './auto';
import * as autos from './auto';
import type { PretrainedModel } from './shared/PretrainedModel';

it('README.md has a row for every architecture, with its heads', async () => {
  const all = autos as unknown as Record<string, AutoClass<PretrainedModel>>;
  const typesOf = (head: string) => all[`AutoModelFor${head}`]?.modelTypes ?? [];
  const text = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const tables = [...text.matchAll(/^\| model_type \|(.*)\|\n.*\n((?:\|.*\n)*)/gm)].map(([, header = '', rows = '']) => ({
    heads: header.split('|').map((cell) => cell.trim()),
    rows: rows.trim().split('\n'),
  }));
  for (const { heads, rows } of tables) {
    const types = [...new Set(heads.flatMap(typesOf))].sort();
    const wanted = types.map(
      (type) => `| ${[`\`${type}\``, ...heads.map((head) => (typesOf(head).includes(type) ? '•' : ''))].join(' | ')} |`,
    );
    expect(rows).toEqual(wanted.map((row) => row.replaceAll('|  |', '| |').replaceAll('|  |', '| |')));
  }
  const named = tables.flatMap(({ heads }) => heads);
  expect(named.sort()).toEqual(
    Object.keys(all)
      .flatMap((name) => /^AutoModelFor(.+)/.exec(name)?.[1] ?? [])
      .sort(),
  );
});
