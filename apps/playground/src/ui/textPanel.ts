import type { TextChoice } from '../api';
import { choices } from './choices';
import { byId, setText } from './element';
import { bytes } from './format';

/** Chooses what is trained on. */
export function textPanel(): { choice(): TextChoice; take(file: File): void } {
  const kinds = choices<'built-in' | 'text' | 'file'>(byId('text'));
  const own = byId<HTMLTextAreaElement>('text-own');
  const input = byId<HTMLInputElement>('text-file');
  const state = byId('text-file-state');
  let file: File | undefined;
  const take = (taken: File) => {
    file = taken;
    kinds.choose('file');
    setText(state, `${taken.name}, ${bytes(taken.size)}. The last tenth is held out to measure on.`);
  };
  input.addEventListener('change', () => {
    if (input.files?.[0]) take(input.files[0]);
    input.value = '';
  });
  return {
    take,
    choice() {
      const kind = kinds.value();
      if (kind === 'built-in') return { kind };
      if (kind === 'text') return { kind, text: own.value };
      if (!file) throw new Error('no text file is chosen: choose one, or take the built-in text');
      return { kind, file };
    },
  };
}
