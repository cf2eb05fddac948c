import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

it('shows in its README the code that is here', () => {
  const sources = readdirSync(new URL('.', import.meta.url))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(name))
    .join('\n');
  const blocks = [...read('../README.md').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code as string);
  expect(blocks.length).toBeGreaterThan(5);
  for (const block of blocks) expect(sources).toContain(block);
});
