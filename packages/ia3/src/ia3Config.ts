import { makeConfig, type Tuned } from '@peft/core';
import type { IA3Config } from './config';
import { type Ia3, ia3 } from './ia3';

/** An (IA)³ config: what is given, over PEFT's defaults. @example `ia3Config({ task_type: 'SEQ_CLS' })` */
export function ia3Config(options: Partial<IA3Config> = {}): Tuned<Ia3> {
  return makeConfig(ia3, options);
}
