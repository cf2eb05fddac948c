import type { Command } from './command';
import { commonOptions, type Option } from './options';
import { called } from './parseOptions';

/** What `peft NAME --help` prints. */
export function commandHelp(name: string, summary: string, { options, examples }: Command): string {
  const all: [string, Option][] = Object.entries({ ...options, ...commonOptions });
  const places = all.filter(([, { positional }]) => positional);
  const words = places.map(([place, option]) => {
    const word = called(place, option) + (option.type === 'list' ? ' …' : '');
    return option.required ? word : `[${word}]`;
  });
  const lines = all.map(([option, definition]) => [flagOf(option, definition), describe(definition)] as const);
  const width = Math.max(...lines.map(([flag]) => flag.length));
  return [
    `peft ${[name, ...words].join(' ')} [options]`,
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    '',
    ...lines.map(([flag, text]) => `  ${flag.padEnd(width)}  ${text}`),
    '',
    ...examples.map((example) => `  peft ${example}`),
  ].join('\n');
}

function flagOf(name: string, option: Option): string {
  if (option.positional) return called(name, option);
  const value = option.value ?? { text: 'TEXT', number: 'N', flag: '', list: 'TEXT', numbers: 'N,N', settings: 'NAME=VALUE' }[option.type];
  return `--${name} ${value}`.trimEnd();
}

function describe({ help, choices, default: fallback, required, type }: Option): string {
  const facts = [
    ...(choices ? [`one of ${choices.join(', ')}`] : []),
    ...(type === 'list' || type === 'settings' ? ['may be given several times'] : []),
  ];
  const more = facts.length > 0 ? `; ${facts.join('; ')}` : '';
  return `${help}${more}${fallback === undefined ? '' : ` [${fallback}]`}${required ? ' (required)' : ''}`;
}
