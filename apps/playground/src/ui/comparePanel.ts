import type { App, Sample, WriteOptions } from '../app';
import { titleOf } from '../methods';
import { byId, make, setText } from './element';

/** Lets the model write, alone and with each adapter. */
export function comparePanel(app: App, write: () => void): { options(): WriteOptions } {
  const form = byId<HTMLFormElement>('write-form');
  const button = byId<HTMLButtonElement>('write');
  const list = byId('samples');
  const [prompt, tokens, temperature] = ['prompt', 'write-tokens', 'temperature'].map((id) => byId<HTMLInputElement>(id)) as [
    HTMLInputElement,
    HTMLInputElement,
    HTMLInputElement,
  ];
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (app.task === 'writing') app.stop();
    else write();
  });
  let shown: readonly Sample[] = [];
  let items: ReturnType<typeof item>[] = [];
  app.subscribe(() => {
    button.disabled = !app.model || (app.task !== undefined && app.task !== 'writing');
    setText(button, app.task === 'writing' ? 'Stop' : 'Write');
    if (app.samples !== shown) {
      shown = app.samples;
      items = shown.map(item);
      list.replaceChildren(...items.map(({ element }) => element));
    }
    shown.forEach((sample, i) => items[i]?.update(sample));
  });
  return { options: () => ({ prompt: prompt.value, tokens: tokens.valueAsNumber, temperature: temperature.valueAsNumber }) };
}

function item({ adapter, prompt }: Sample) {
  const name = make('b');
  const figures = make('span');
  const text = make('span');
  const element = make(
    'li',
    { class: adapter ? 'adapted' : 'base' },
    make('header', {}, name, figures),
    make('p', {}, make('mark', {}, prompt), text),
  );
  return {
    element,
    update(sample: Sample) {
      setText(name, adapter?.name ?? 'The model alone');
      const method = adapter && adapter.name !== titleOf(adapter.info.method) ? [titleOf(adapter.info.method)] : [];
      const { heldOut } = sample;
      const loss = heldOut === undefined ? [] : [`held-out loss ${heldOut.toFixed(3)}`, `perplexity ${Math.exp(heldOut).toFixed(1)}`];
      setText(figures, [...method, ...loss].join(' · '));
      setText(text, sample.text);
    },
  };
}
