import { type AnyTuner, findTuner } from '@peft/core';

/**
 * How a method's tuner is loaded, by `peft_type`. Each import is one of its own, so that a bundle splits; with a `catch` at
 * once, so that bundlers, too, go on where a package is not installed.
 */
const METHODS: Readonly<Record<string, () => Promise<AnyTuner>>> = {
  ADALORA: async () => (await import('@peft/adalora').catch(missing('@peft/adalora'))).adaLora,
  ADAPTION_PROMPT: async () => (await import('@peft/llama-adapter').catch(missing('@peft/llama-adapter'))).llamaAdapter,
  IA3: async () => (await import('@peft/ia3').catch(missing('@peft/ia3'))).ia3,
  P_TUNING: async () => (await import('@peft/p-tuning').catch(missing('@peft/p-tuning'))).pTuning,
  PREFIX_TUNING: async () => (await import('@peft/prefix').catch(missing('@peft/prefix'))).prefixTuning,
  PROMPT_TUNING: async () => (await import('@peft/prompt-tuning').catch(missing('@peft/prompt-tuning'))).promptTuning,
  LORA: async () => (await import('@peft/lora').catch(missing('@peft/lora'))).lora,
};

/**
 * The method of a `peft_type`: among those given or registered, else from its package.
 * Errors: a package that is not installed, with the command that installs it; a type that no package is for.
 */
export async function loadTuner(type: unknown, given: readonly AnyTuner[] = []): Promise<AnyTuner> {
  try {
    return findTuner(type, given);
  } catch (unknown) {
    if (typeof type !== 'string') throw unknown;
    const load = Object.hasOwn(METHODS, type) ? METHODS[type] : undefined;
    if (load) return load();
    throw new Error(
      `no method is known for peft_type ${JSON.stringify(type)}; there are packages for ${Object.keys(METHODS).join(', ')}. ` +
        "Another method's tuner is passed as { tuners: [...] }, or made known by registerTuner(...)",
    );
  }
}

/** What an import fails with: where the package itself is not there, how to get it. */
function missing(name: string): (error: Error) => never {
  return (error) => {
    // Node names the package; browsers, and bundlers in their place, the specifier.
    if (!new RegExp(`(cannot find|resolve) (package|module|module specifier) ['"]${name}['"]`, 'i').test(error.message)) throw error;
    throw new Error(`this adapter needs ${name}, which is not installed: npm install ${name}`, { cause: error });
  };
}
