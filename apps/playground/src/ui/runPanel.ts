import type { App } from '../app';
import { curve, HEIGHT } from './curve';
import { byId, make, setText } from './element';
import { duration, whole } from './format';

/** Shows the training: figures, and the curve of the loss. */
export function runPanel(app: App, goOn: () => void): void {
  const [state, figures, figure, stop, train] = ['run-state', 'figures', 'curve', 'stop', 'train'].map((id) => byId(id)) as [
    HTMLElement,
    HTMLElement,
    HTMLElement,
    HTMLButtonElement,
    HTMLButtonElement,
  ];
  const progress = byId<HTMLProgressElement>('run-progress');
  const [step, loss, speed, left] = ['step', 'loss', 'speed', 'left'].map((name) => byId(`figure-${name}`)) as HTMLElement[] as [
    HTMLElement,
    HTMLElement,
    HTMLElement,
    HTMLElement,
  ];
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('role', 'img');
  const caption = make('figcaption', {}, 'Loss of each step, and of the last ten or so.');
  figure.append(svg, caption);
  const again = make('button', { type: 'button', class: 'quiet', hidden: true, click: goOn }, 'Go on');
  state.after(again);
  stop.addEventListener('click', () => app.stop());
  const first = state.textContent ?? '';

  let shown = false;
  const show = () => {
    const { run, task } = app;
    const training = task === 'training' || task === 'stopping';
    // On a telephone it stands far below the button.
    if (training && !shown) byId('run').scrollIntoView({ block: 'nearest' });
    shown = training;
    train.hidden = training;
    stop.hidden = !training;
    setText(stop, task === 'stopping' ? 'Stopping… Press again to end at once' : 'Stop');
    train.disabled = task !== undefined || !app.model;
    figures.hidden = figure.hidden = !run || run.losses.length === 0;
    progress.hidden = !training || !run;
    again.hidden = training || !run?.adapter || run.step >= run.steps;
    again.disabled = task !== undefined;
    setText(state, told(app, first));
    if (!run || run.losses.length === 0) return;
    Object.assign(progress, { max: run.steps, value: run.step });
    setText(step, `${run.step} of ${run.steps}`);
    setText(loss, (run.losses.at(-1) as number).toFixed(3));
    setText(speed, whole(run.tokensPerSecond));
    setText(left, run.step < run.steps && training ? duration(run.secondsLeft) : '–');
    svg.setAttribute(
      'aria-label',
      `Loss over ${run.losses.length} steps, from ${run.losses[0]?.toFixed(2)} to ${run.losses.at(-1)?.toFixed(2)}`,
    );
    const width = figure.clientWidth;
    svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    svg.innerHTML = curve(run.losses, run.losses.length - run.step + run.steps, width);
  };
  const draw = onceAFrame(show);
  app.subscribe(draw);
  new ResizeObserver(draw).observe(figure);
}

/** What happens, in a line; it changes seldom, so that it can be read out. */
function told({ run, task, phase, model }: App, first: string): string {
  if (task === 'training' || task === 'stopping') {
    if (phase === 'Writing') return 'Writing what it has learned…';
    return run && run.losses.length > 0 ? 'Training…' : 'Preparing the text and the adapter…';
  }
  if (!run?.adapter) return model ? first : 'The model is on its way.';
  const { name } = run.adapter;
  return run.step < run.steps ? `${name} was stopped after ${run.step} of ${run.steps} steps.` : `${name} is trained: ${run.steps} steps.`;
}

/** Draws at most once a frame, however often it is called. */
function onceAFrame(draw: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
}
