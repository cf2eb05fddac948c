import type { Files } from '../api';
import type { Adapter, App } from '../app';
import { downloadAll, downloadLink } from '../download';
import { titleOf } from '../methods';
import { adapterFiles } from '../pickedFiles';
import { byId, make } from './element';
import { whole } from './format';

/** The list of adapters, with what can be done with each. */
export function adaptersPanel(app: App, goOn: (adapter: Adapter) => void): { add(files: readonly File[]): void } {
  const list = byId('adapter-list');
  const empty = byId('adapters-empty');
  const input = byId<HTMLInputElement>('adapter-files');
  const add = (files: readonly File[]) => {
    const { name, files: found } = adapterFiles(files);
    void app.addAdapter(found, name);
  };
  input.addEventListener('change', () => {
    add([...(input.files ?? [])]);
    input.value = '';
  });
  let shown = '';
  app.subscribe(() => {
    const { adapters, task } = app;
    empty.hidden = adapters.length > 0;
    input.disabled = task !== undefined || !app.model;
    const now = JSON.stringify([adapters.map(({ id, name, merged }) => [id, name, merged !== undefined]), task]);
    // While steps come in nothing changes here, and a list made anew would lose the focus.
    if (now === shown) return;
    shown = now;
    const focused = (document.activeElement as HTMLElement | null)?.dataset.key;
    list.replaceChildren(...adapters.map((adapter) => row(app, adapter, goOn)));
    if (focused) list.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  });
  return { add };
}

function row(app: App, adapter: Adapter, goOn: (adapter: Adapter) => void): HTMLElement {
  const { id, name, info, training, merged } = adapter;
  const busy = app.task !== undefined;
  const place = app.adapters.indexOf(adapter);
  const action = (text: string, work: () => unknown, disabled = busy) =>
    make(
      'button',
      { type: 'button', class: 'quiet', disabled, click: work, 'aria-label': `${text}: ${name}`, 'data-key': `${place} ${text}` },
      text,
    );
  const stands = training
    ? training.step < training.steps
      ? `stopped at step ${training.step} of ${training.steps}`
      : `${adapter.losses.length} steps`
    : 'from files';
  const rename = (event: Event) => app.rename(adapter, (event.target as HTMLInputElement).value);
  return make(
    'li',
    { id },
    make(
      'div',
      { class: 'what' },
      make('input', {
        type: 'text',
        class: 'name',
        value: name,
        'aria-label': 'Name of the adapter',
        change: rename,
        'data-key': `${place} name`,
      }),
      make('p', { class: 'note' }, `${titleOf(info.method)} · ${whole(info.parameters)} parameters · ${stands}`),
    ),
    make(
      'div',
      { class: 'actions' },
      action(training && training.step < training.steps ? 'Go on' : 'Train on', () => goOn(adapter)),
      action('Download', () => downloadAll(adapter.files), false),
      ...(info.mergeable ? [action('Merge', () => app.merge(adapter))] : []),
      action('Remove', () => app.remove(adapter)),
    ),
    links(adapter.files, "PEFT's files"),
    ...(merged ? [links(merged, 'Merged model', true)] : []),
  );
}

function links(files: Files, title: string, whole = false): HTMLElement {
  const all = make('button', { type: 'button', class: 'quiet', click: () => downloadAll(files) }, 'Download all');
  return make(
    'p',
    { class: 'links' },
    make('span', { class: 'note' }, `${title}:`),
    ...Object.entries(files).map(([name, blob]) => downloadLink(name, blob)),
    ...(whole ? [all] : []),
  );
}
