import type { App } from '../app';
import { modelFiles } from '../pickedFiles';
import { choices } from './choices';
import { byId, setText } from './element';
import { parameters, whole } from './format';

/** Chooses and loads the model. */
export function modelPanel(app: App): { load(files: readonly File[]): void } {
  const panel = byId('model');
  const state = byId('model-state');
  const progress = byId<HTMLProgressElement>('model-progress');
  const input = byId<HTMLInputElement>('model-files');
  const [repo, token, endpoint] = ['hub-repo', 'hub-token', 'hub-endpoint'].map((id) => byId<HTMLInputElement>(id)) as [
    HTMLInputElement,
    HTMLInputElement,
    HTMLInputElement,
  ];
  const kinds = choices<'built-in' | 'files' | 'hub'>(panel, (kind) => {
    if (kind === 'built-in' && app.model?.name !== 'sotu-0.9m') void app.loadModel({ kind: 'built-in' });
  });

  const load = (files: readonly File[]) => {
    kinds.choose('files');
    const { name, files: found } = modelFiles(files);
    void app.loadModel({ kind: 'files', name, files: found });
  };
  input.addEventListener('change', () => {
    load([...(input.files ?? [])]);
    input.value = '';
  });
  const fromHub = () => {
    if (repo.value.trim() === '') return repo.focus();
    void app.loadModel({ kind: 'hub', repo: repo.value.trim(), endpoint: endpoint.value.trim(), token: token.value.trim() });
  };
  byId('hub-load').addEventListener('click', fromHub);
  repo.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    fromHub();
  });

  app.subscribe(() => {
    const { model, task, download } = app;
    const loading = task === 'loading' || task === 'starting';
    const context = model?.context ? `, reads ${whole(model.context)} tokens at once` : '';
    setText(
      state,
      model
        ? `${model.name}: ${model.type}, ${parameters(model.parameters)} parameters${context}`
        : loading
          ? 'Loading…'
          : 'No model is loaded.',
    );
    progress.hidden = !loading;
    if (download) Object.assign(progress, { max: download.total, value: download.loaded });
    else progress.removeAttribute('value');
  });
  return { load };
}
