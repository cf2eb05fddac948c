import { formatOf } from './readFile';

const words: Readonly<Record<string, string>> = {
  train: 'train|training',
  validation: 'validation|valid|val|dev',
  test: 'test|testing|eval|evaluation',
};

/** Of which split a file is, told as Hugging Face's datasets do: by a word in its path that no letters touch. */
export function splitOf(path: string): string | undefined {
  for (const [split, pattern] of Object.entries(words)) if (new RegExp(`(^|[^a-zA-Z])(${pattern})([^a-zA-Z]|$)`).test(path)) return split;
  return undefined;
}

/** The same of pictures, whose names may be any words: only a folder's whole name tells. */
export function splitOfFolder(path: string): string | undefined {
  const folders = path.split('/').slice(0, -1);
  return Object.keys(words).find((split) => folders.some((name) => isNameOf(split, name)));
}

export const isSplit = (name: string): boolean => Object.keys(words).some((split) => isNameOf(split, name));

const isNameOf = (split: string, name: string): boolean => new RegExp(`^(${words[split]})$`).test(name);

/** The files of one split, in order. @param asked @default train. Errors: a split that is not there */
export function filesOfSplit(paths: readonly string[], asked: string | undefined, where: string, tell = splitOf): string[] {
  const ordered = [...paths].sort(byNumber);
  const splits = Object.keys(words).filter((split) => paths.some((path) => tell(path) === split));
  // Where names tell no split, all is for training.
  if (splits.length === 0 && (asked ?? 'train') === 'train') return ordered;
  const found = ordered.filter((path) => tell(path) === (asked ?? 'train'));
  if (found.length === 0)
    throw new Error(`${where} has no split ${JSON.stringify(asked ?? 'train')}; there are: ${splits.join(', ') || 'train'}`);
  return found;
}

/** The paths that a name or pattern means: `*` stands for anything in a name, `**` for folders too. Errors: none */
export function filesOfPatterns(paths: readonly string[], patterns: string | readonly string[], where: string): string[] {
  const found = [patterns].flat().flatMap((pattern) => {
    const parts = pattern.split(/(\*\*\/?|\*)/);
    const source = parts.map((part) =>
      part === '*' ? '[^/]*' : part.startsWith('**') ? '.*' : part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'),
    );
    const matching = paths.filter((path) => new RegExp(`^${source.join('')}$`).test(path)).sort(byNumber);
    if (matching.length === 0) throw new Error(`${where} has no file ${pattern}; there are: ${listed(paths)}`);
    return matching;
  });
  return [...new Set(found)];
}

/** Files that can be data: of the format that most have, without what Hugging Face's datasets leave out. Errors: there are none */
export function dataFilesOf(paths: readonly string[], where: string): string[] {
  const named = (path: string) => path.split('/').at(-1) ?? '';
  const possible = paths.filter(
    (path) =>
      formatOf(path) !== undefined &&
      !path.split('/').some((part) => /^(\.|__)/.test(part)) &&
      !/^(readme|license|licence|dataset_infos?\.json|state\.json|config\.json)/i.test(named(path)),
  );
  const counts = new Map<string, string[]>();
  for (const path of possible) {
    const format = formatOf(path) as string;
    counts.set(format, [...(counts.get(format) ?? []), path]);
  }
  const [most, second] = [...counts.values()].sort((a, b) => b.length - a.length);
  if (!most) throw new Error(`${where} has no files of data (jsonl, json, csv, tsv, parquet, txt); there are: ${listed(paths)}`);
  if (second?.length === most.length)
    throw new Error(`${where} has data of several formats: name the files with \`files\`: ${listed(possible)}`);
  return most;
}

const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

const listed = (paths: readonly string[]): string => (paths.length > 20 ? [...paths.slice(0, 20), '…'] : paths).join(', ') || 'none';
