import { warn } from '@peft/core';
import type { ReadOptions } from './ReadOptions';

/** What is told of lines that cannot be read. */
export interface Damage {
  /** Errors: the line, unless such lines are left out. */
  at(line: number, reason: string): void;
  /** Warns of what was left out. */
  end(): void;
}

const shown = 5;

export function damageOf(file: string, { onDamaged = 'error' }: ReadOptions): Damage {
  const first: string[] = [];
  let count = 0;
  return {
    at(line, reason) {
      if (onDamaged !== 'skip')
        throw new Error(`${file}, line ${line}: ${reason}. Mend it, or leave such lines out with onDamaged: 'skip'`);
      if (count++ < shown) first.push(`line ${line}: ${reason}`);
    },
    end() {
      if (count === 0) return;
      const more = count > shown ? `; and ${count - shown} more` : '';
      warn(`${file}: ${count} damaged ${count === 1 ? 'line was' : 'lines were'} left out: ${first.join('; ')}${more}`);
    },
  };
}
