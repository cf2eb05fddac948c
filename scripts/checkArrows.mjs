// Which package may use which (DESIGN.md, "Packages, and which way the arrows point"), read from the package.json files
// and from every import in packages/*/src.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { packages, root } from './workspace.mjs';

const anything = () => true;
/** What a package may use of @peft; one that is not named here is a method and may use core alone. */
const arrows = {
  core: () => false,
  testing: (to) => to === 'core' || to === 'train',
  auto: anything,
  cli: anything,
};
const mayUse = (from, to) => (arrows[from] ?? ((name) => name === 'core'))(to);

const methodNames = [
  /(?<![a-z])lora|Lora|L[Oo]RA/, // not "exploration"
  /ia3|prompt[-_ ]?(tuning|encoder)|prefix[-_ ]?tuning|p[-_]?tuning|adaption[-_ ]?prompt|llama[-_ ]?adapter/i,
];
const notProduct = /\.(test|test-d|testing)\.ts$/;
const builtin = new Set(builtinModules);

/** Everything that is wrong in a repository, one line each. */
export function checkArrows(at = root) {
  return packages(at).flatMap((pkg) => [
    ...checkManifest(pkg),
    ...sources(join(pkg.folder, 'src')).flatMap((file) => checkFile(at, pkg, file)),
  ]);
}

function checkManifest({ name, manifest }) {
  // devDependencies are for tests; a circle of them is refused by the build.
  return ['dependencies', 'peerDependencies', 'optionalDependencies'].flatMap((kind) =>
    Object.keys(manifest[kind] ?? {}).flatMap((dependency) => {
      const where = `packages/${name}/package.json: ${kind} name ${dependency}`;
      if (dependency.startsWith('@peft/') && !mayUse(name, dependency.slice('@peft/'.length))) return [`${where}; ${name} must not use it`];
      if (isTensorFlow(dependency) && dependency !== '@tensorflow/tfjs-core' && name !== 'core' && arrows[name] !== anything)
        return [`${where}; the engine is the application's choice`];
      return [];
    }),
  );
}

function checkFile(at, { name, folder, manifest }, file) {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const problems = [];
  const report = (node, message) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    problems.push(`${relative(at, file).split(sep).join('/')}:${line + 1}: ${message}`);
  };
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies, [manifest.name]: '' };

  for (const { specifier, node, lazy } of imports(source)) {
    if (specifier.startsWith('.')) {
      const target = join(dirname(file), specifier);
      if (relative(join(folder, 'src'), target).startsWith('..')) report(node, `"${specifier}" reaches outside the package's src`);
      continue;
    }
    if (specifier.startsWith('node:') || builtin.has(specifier)) continue;
    const dependency = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    if (dependency.startsWith('@peft/')) {
      const to = dependency.slice('@peft/'.length);
      if (to === name) report(node, `"${specifier}" is this package itself; import the file`);
      else if (!mayUse(name, to)) report(node, `${name} must not use ${dependency}`);
      if (specifier !== dependency && !exported(at, to).includes(`.${specifier.slice(dependency.length)}`))
        report(node, `"${specifier}" is a deep import`);
    }
    if (isTensorFlow(dependency)) {
      const engine = name === 'core' && relative(join(folder, 'src'), file).split(sep)[0] === 'engine' && lazy;
      if (dependency !== '@tensorflow/tfjs-core' && !engine && arrows[name] !== anything)
        report(node, `of TensorFlow.js only tfjs-core may be imported, not ${dependency} (core/src/engine may import() it)`);
      if (specifier !== dependency) report(node, `"${specifier}" is a deep import, which plain Node cannot load`);
    }
    if (!(dependency in declared)) report(node, `${dependency} is not declared in packages/${name}/package.json`);
  }
  if (name === 'core')
    for (const { text, node } of words(source)) {
      const found = methodNames.map((pattern) => pattern.exec(text)).find(Boolean);
      if (found) report(node, `core must name no method, but says "${found[0]}"`);
    }
  return problems;
}

const isTensorFlow = (dependency) => dependency.startsWith('@tensorflow/');

function exported(at, name) {
  const file = join(at, 'packages', name, 'package.json');
  return existsSync(file) ? Object.keys(JSON.parse(readFileSync(file, 'utf8')).exports ?? {}) : [];
}

function sources(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== 'fixtures')
    .flatMap((entry) => (entry.isDirectory() ? sources(join(folder, entry.name)) : [join(folder, entry.name)]))
    .filter((file) => file.endsWith('.ts') && !notProduct.test(file));
}

/** `lazy`: nothing is loaded when the file is, since the import is for types or a call. */
function* imports(source) {
  for (const node of nodes(source)) {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
      yield { specifier: node.moduleSpecifier.text, node, lazy: Boolean(node.importClause?.isTypeOnly ?? node.isTypeOnly) };
    else if (ts.isImportTypeNode(node)) yield { specifier: node.argument.literal?.text ?? '', node, lazy: true };
    else if (
      ts.isCallExpression(node) &&
      /^(import|require)$/.test(node.expression.getText()) &&
      node.arguments[0] &&
      ts.isStringLiteralLike(node.arguments[0])
    )
      yield { specifier: node.arguments[0].text, node, lazy: true };
  }
}

/** Every name and every text in the code; comments are none of it. */
function* words(source) {
  for (const node of nodes(source))
    if (
      ts.isIdentifier(node) ||
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node) ||
      node.kind === ts.SyntaxKind.RegularExpressionLiteral
    )
      yield { text: node.text, node };
}

function* nodes(node) {
  yield node;
  const children = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* nodes(child);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = checkArrows();
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
  console.log(`${packages().length} packages: every arrow points the right way`);
}
