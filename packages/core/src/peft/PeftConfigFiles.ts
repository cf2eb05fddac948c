import type { HubOptions } from '../files/hub';
import { openSink, type SinkLocation } from '../files/sink';
import { type Location, openSource } from '../files/source';
import type { PeftConfig as Config, Tuned } from '../tuner/PeftConfig';
import type { AnyTuner } from '../tuner/Tuner';
import { readConfig } from './load';
import { encodeConfig } from './save';

/** The settings of an adapter as `adapter_config.json` holds them. */
export type PeftConfig = Config;

export const PeftConfig = {
  /** Reads `adapter_config.json` from a folder, a hub repository or files in memory; the method is found by its `peft_type`. */
  async fromPretrained<T extends AnyTuner>(
    where: Location,
    { tuners = [], ...hub }: HubOptions & { tuners?: readonly T[] } = {},
  ): Promise<Tuned<T>> {
    return readConfig<T>(await openSource(where, hub), tuners);
  },

  /** Writes `adapter_config.json` as Python PEFT does. */
  async savePretrained(config: Tuned<AnyTuner>, where: SinkLocation): Promise<void> {
    await (await openSink(where)).write('adapter_config.json', encodeConfig(config, config));
  },
};
