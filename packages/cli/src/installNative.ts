import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fusedBuild } from '@peft/core/engine';
import { resolvePackage } from './versionOf';

const NATIVE = '@tensorflow/tfjs-node-gpu';
const VERSION = '4.22.0';
const NODE_GYP = '11.5.0';
const WHEEL = 'tensorflow-cpu==2.21.*';

/**
 * Installs the native engine, TensorFlow's own library, into a folder. The ordinary install comes first. Where its download of
 * the library fails, the package's binding is compiled against the library in the Python wheel `tensorflow-cpu`, which is newer
 * and faster; that needs Linux, Python 3 with pip, a C++ compiler and make. With a compiler the fused kernels are added.
 * @returns the folder, ready for `PEFT_NATIVE`. Errors: what failed and what it said
 */
export async function installNative(where: string, log: (line: string) => void): Promise<string> {
  const folder = resolve(where);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, 'package.json'))) writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  if (!works(folder)) installBinding(folder, log);
  await addFusedKernels(folder, log);
  return folder;
}

function installBinding(folder: string, log: (line: string) => void): void {
  log(`installing ${NATIVE} ${VERSION}`);
  const ordinary = npm(folder, ['install', `${NATIVE}@${VERSION}`]);
  if (ordinary.status === 0 && works(folder)) return;
  if (process.platform !== 'linux')
    throw new Error(`the download that ${NATIVE} needs failed; compiling it against another library is there for Linux only`);
  log(`its library could not be downloaded; compiling it against that of ${WHEEL}: about a minute, 1.2 GB`);
  must(npm(folder, ['install', '--ignore-scripts', `${NATIVE}@${VERSION}`, `node-gyp@${NODE_GYP}`]));
  compile(folder);
  if (!works(folder)) throw new Error(`${NATIVE} was compiled but does not start in ${folder}`);
}

/** Compiles the kernels that TensorFlow lacks for this processor. Without a compiler the engine is only slower. */
async function addFusedKernels(folder: string, log: (line: string) => void): Promise<void> {
  const build = await fusedBuild();
  const binding = join(folder, 'node_modules', NATIVE);
  const library = build && join(binding, 'lib', 'napi-v8', build.file);
  if (!library || existsSync(library)) return;
  log('compiling kernels that TensorFlow lacks');
  const scratch = `${library}.${process.pid}.node`;
  try {
    const source = join(dirname(resolvePackage('@peft/core/package.json')), 'native', 'fusedKernels.cc');
    const deps = join(binding, 'deps');
    const links = ['-L', join(deps, 'lib'), '-ltensorflow', '-ltensorflow_framework', '-Wl,-rpath,$ORIGIN/../../deps/lib'];
    const compiler = process.env.CXX ?? 'c++';
    must(execute(compiler, [...COMPILE, ...build.flags, '-I', join(deps, 'include'), source, '-o', scratch, ...links]));
    must(execute(process.execPath, ['-e', CHECK_FUSED, scratch], folder));
    renameSync(scratch, library);
  } catch (error) {
    log(`they could not be compiled, so the engine is slower than it could be: ${(error as Error).message}`);
  } finally {
    rmSync(scratch, { force: true });
  }
}

/** Loops become vectors where neither errno nor traps of numbers forbid it. */
const COMPILE = ['-std=c++17', '-O3', '-fno-math-errno', '-fno-trapping-math', '-fopenmp-simd', '-fvisibility=hidden', '-shared', '-fPIC'];

/** Whether the engine computes. */
const works = (folder: string): boolean => spawnSync(process.execPath, ['-e', CHECK], { cwd: folder }).status === 0;

const CHECK = `
  require('util').isNullOrUndefined ??= (value) => value == null;
  const tf = require('${NATIVE}');
  if (tf.matMul([[2]], [[3]]).dataSync()[0] !== 6) process.exit(1);`;

/** Whether a library of fused kernels loads and computes. */
const CHECK_FUSED = `${CHECK}
  require(process.argv[1]);
  const backend = tf.backend();
  const [out] = backend.binding.executeOp('PeftSilu', [], backend.getInputTensorIds([tf.tensor1d([0, 100])]), 1);
  if (String(backend.binding.tensorDataSync(out.id)) !== '0,100') throw new Error('it does not compute');`;

/** Headers and libraries out of a wheel, a zip file: Python reads it, so no other program is needed. */
const UNPACK = `
import sys, zipfile
wheel, to = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        if name.startswith('tensorflow/include/') or name.split('/')[-1] in ('libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'):
            z.extract(name, to)
`;

/** The wheel's one library holds the C interface, too; these are the names the binding is linked with. */
const LINKS = {
  'libtensorflow.so': 'libtensorflow_cc.so.2',
  'libtensorflow.so.2': 'libtensorflow_cc.so.2',
  'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
};

function compile(folder: string): void {
  const binding = join(folder, 'node_modules', NATIVE);
  const deps = join(binding, 'deps');
  const scratch = mkdtempSync(join(tmpdir(), 'native-'));
  try {
    must(execute('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '-d', scratch, WHEEL]));
    const wheel = readdirSync(scratch).find((name) => name.endsWith('.whl')) as string;
    rmSync(deps, { recursive: true, force: true });
    mkdirSync(join(deps, 'lib'), { recursive: true });
    must(execute('python3', ['-c', UNPACK, join(scratch, wheel), scratch]));
    const from = join(scratch, 'tensorflow');
    // By a program, since the two folders may lie on different disks.
    must(execute('mv', [join(from, 'include'), join(deps, 'include')]));
    for (const name of new Set(Object.values(LINKS))) must(execute('mv', [join(from, name), join(deps, 'lib', name)]));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, join(deps, 'lib', name));
  const gyp = join(folder, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const headers = dirname(dirname(process.execPath));
  const nodedir = existsSync(join(headers, 'include', 'node', 'node_api.h')) ? [`--nodedir=${headers}`] : [];
  const place = ['--module_name=tfjs_binding', `--module_path=${join(binding, 'lib', 'napi-v8')}`];
  const napi = ['--napi_build_version=8', '--napi_version=8', '--node_napi_label=napi-v8'];
  must(execute(process.execPath, [gyp, 'configure', 'build', '--silent', ...nodedir, ...place, ...napi], binding));
}

interface Executed extends SpawnSyncReturns<string> {
  name: string;
}

const execute = (command: string, args: readonly string[], cwd?: string): Executed => ({
  name: [command, ...args].join(' '),
  ...spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...(cwd !== undefined && { cwd }) }),
});

const npm = (cwd: string, args: readonly string[]) => execute('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], cwd);

function must({ name, status, stdout, stderr, error }: Executed): void {
  if (status !== 0) throw new Error(`${name} failed: ${error?.message ?? `${stdout}${stderr}`.slice(-2000)}`);
}
