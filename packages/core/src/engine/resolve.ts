/**
 * Loads an installed package in Node, from where this library lies or from the program's folder.
 * Its name does not stand in an import, so that bundlers leave it alone.
 * @param load loads what is needed of it @default all of it
 */
export async function requirePackage(
  name: string,
  folders: readonly string[] = [],
  load: (require: NodeJS.Require) => unknown = (require) => require(name),
): Promise<{ loaded: unknown; resolve: (file: string) => string }> {
  const { createRequire } = await nodeModule('node:module');
  const { pathToFileURL } = await nodeModule('node:url');
  const here = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;
  const roots = [
    ...folders.map((folder) => pathToFileURL(`${folder}/package.json`).href),
    here,
    pathToFileURL(`${process.cwd()}/package.json`).href,
  ];
  let problem: Error | undefined;
  for (const root of roots) {
    const require = createRequire(root);
    try {
      return { loaded: load(require), resolve: (file) => require.resolve(`${name}/${file}`) };
    } catch (error) {
      const { code } = error as { code?: string };
      // Before 20.19 Node does not require what is ESM.
      if (code === 'ERR_REQUIRE_ESM')
        return { loaded: await import(pathToFileURL(require.resolve(name)).href), resolve: (file) => require.resolve(`${name}/${file}`) };
      const missing = code === 'MODULE_NOT_FOUND' && (error as Error).message.includes(`'${name}'`);
      // What is installed but does not load says more than what is not there.
      if (!missing) problem ??= error as Error;
    }
  }
  throw problem ?? new Error(`${name} is not installed`);
}

interface NodeModules {
  'node:fs': typeof import('node:fs');
  'node:module': typeof import('node:module');
  'node:os': typeof import('node:os');
  'node:url': typeof import('node:url');
  'node:util': typeof import('node:util');
  'node:worker_threads': typeof import('node:worker_threads');
}

/** One of Node's own modules, the object that `require` gives: what is changed on it others see. */
export async function nodeModule<Name extends keyof NodeModules>(name: Name): Promise<NodeModules[Name]> {
  const module = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name as string)) as { default?: NodeModules[Name] };
  return module.default ?? (module as NodeModules[Name]);
}
