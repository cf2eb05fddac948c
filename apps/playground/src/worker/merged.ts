import { cloneModule, disposeModule, memorySink } from '@peft/core';
import type { AnyCausalLM } from '@peft/models';
import type { Files } from '../api';
import { attachSaved } from './adapters';
import type { Loaded } from './studio';
import { toBlobs } from './toBlobs';

/** The files of a model with an adapter in its weights. The model itself stays as it is: the copy shares all that merging leaves alone. */
export async function merged({ model, tokenizer }: Loaded, files: Files): Promise<Files> {
  const copy = cloneModule(model);
  try {
    const peft = await attachSaved({ model: copy, tokenizer }, files);
    const whole = peft.mergeAndUnload() as AnyCausalLM;
    const sink = memorySink();
    await whole.savePretrained(sink);
    await tokenizer.savePretrained(sink);
    return toBlobs(sink.files);
  } finally {
    disposeModule(copy);
  }
}
