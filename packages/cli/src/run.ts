import { setWarningHandler } from '@peft/core';
import type { Command } from './command';
import { commandHelp } from './help';
import { Interrupted } from './interruptible';
import { makeOutput, type Streams } from './Output';
import { UsageError } from './options';
import { parseOptions } from './parseOptions';
import { versionOf } from './versionOf';

/** The commands, each loaded when it is asked for. */
const COMMANDS: Readonly<Record<string, { summary: string; load(): Promise<Command> }>> = {
  train: { summary: 'trains an adapter on a model', load: async () => (await import('./commands/train')).train },
  eval: { summary: 'measures a model or an adapter on data', load: async () => (await import('./commands/eval')).evaluate },
  generate: { summary: 'continues prompts, or classifies texts', load: async () => (await import('./commands/generate')).generate },
  chat: { summary: 'talks with a model', load: async () => (await import('./commands/chat')).chat },
  info: { summary: 'says what an adapter is and whether it fits a base model', load: async () => (await import('./commands/info')).info },
  merge: { summary: 'writes a base model with an adapter merged into it', load: async () => (await import('./commands/merge')).merge },
  combine: { summary: 'makes one adapter of several', load: async () => (await import('./commands/combine')).combine },
  push: { summary: 'puts an adapter or a model on the hub', load: async () => (await import('./commands/push')).push },
  doctor: { summary: 'says what is installed and what is missing', load: async () => (await import('./commands/doctor')).doctor },
};

const overview = () => {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return `peft COMMAND [options]\n\n${lines.join('\n')}\n\npeft COMMAND --help says more. Models and adapters are folders, or repositories of the hub (owner/name).`;
};

/**
 * Does what a command line says and reports it on the streams.
 * @param argv what stands behind `peft`
 * @returns the exit code: 0 done, 1 failed, 2 called wrongly, 130 interrupted
 */
export async function run(argv: readonly string[], streams: Streams = process): Promise<number> {
  const [name = '--help', ...rest] = argv[0] === 'help' ? [...argv.slice(1, 2), '--help'] : argv;
  const output = makeOutput(streams, { json: rest.includes('--json'), quiet: rest.includes('--quiet') });
  const previous = setWarningHandler((message) => output.note(`warning: ${message}`));
  try {
    if (name === '--help' || name === '-h') {
      output.result({ commands: Object.keys(COMMANDS) }, overview());
      return 0;
    }
    if (name === '--version' || name === '-v') {
      output.result({ version: versionOf('@peft/cli') }, versionOf('@peft/cli'));
      return 0;
    }
    const found = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!found) throw new UsageError(`there is no command "${name}"; there are: ${Object.keys(COMMANDS).join(', ')}`);
    const command = await found.load();
    const values = await parseOptions(command.options, rest);
    if (values.help) {
      streams.stdout.write(`${commandHelp(name, found.summary, command)}\n${(await command.notes?.(values)) ?? ''}`);
      return 0;
    }
    return (await command.run(values, makeOutput(streams, values))) ?? 0;
  } catch (error) {
    return report(error as Error, name);
  } finally {
    setWarningHandler(previous);
  }

  function report(error: Error, command: string): number {
    if (error instanceof Interrupted) return error.exitCode;
    const isUsage = error instanceof UsageError;
    if (output.json) output.result({ event: 'error', message: error.message });
    output.note(
      isUsage ? `${error.message}\npeft ${Object.hasOwn(COMMANDS, command) ? `${command} ` : ''}--help says what there is` : error.message,
    );
    if (process.env.PEFT_DEBUG && !isUsage) output.note(error.stack ?? '');
    return isUsage ? 2 : 1;
  }
}
