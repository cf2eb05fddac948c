import type { App } from '../app';
import { byId, setText } from './element';

/** Says what went wrong and what to do. */
export function problemBox(app: App): void {
  const box = byId('problem');
  byId('problem-close').addEventListener('click', () => app.dismiss());
  app.subscribe(() => {
    const { problem } = app;
    const appears = problem && box.hidden;
    box.hidden = !problem;
    if (!problem) return;
    setText(byId('problem-title'), problem.title);
    setText(byId('problem-hint'), problem.hint);
    setText(byId('problem-detail'), problem.detail);
    if (appears) box.focus();
  });
}
