import type { TrainSettings } from './api';
import { type Adapter, createApp } from './app';
import { kindOf } from './pickedFiles';
import { adaptersPanel } from './ui/adaptersPanel';
import { comparePanel } from './ui/comparePanel';
import { dropping } from './ui/dropping';
import { byId, setText } from './ui/element';
import { methodPanel } from './ui/methodPanel';
import { modelPanel } from './ui/modelPanel';
import { problemBox } from './ui/problemBox';
import { runPanel } from './ui/runPanel';
import { textPanel } from './ui/textPanel';

const app = createApp();
const form = byId<HTMLFormElement>('setup');
const setting = (name: keyof TrainSettings) => form.elements.namedItem(name) as HTMLInputElement;

const model = modelPanel(app);
const text = textPanel();
const method = methodPanel(({ learning_rate }) => {
  setting('learning_rate').value = String(learning_rate);
});
const compare = comparePanel(app, () => guard(() => app.write(compare.options(), text.choice(), settings().block)));
const adapters = adaptersPanel(app, (adapter) => guard(() => app.goOn(adapter, text.choice(), settings(), compare.options())));
runPanel(app, () => {
  const adapter = app.run?.adapter as Adapter;
  guard(() => app.goOn(adapter, text.choice(), settings(), compare.options()));
});
problemBox(app);

form.addEventListener('submit', (event) => {
  event.preventDefault();
  guard(() => app.train(method.config(), text.choice(), settings(), compare.options()));
});

const engine = byId('engine');
const engineChoice = byId<HTMLSelectElement>('engine-choice');
engineChoice.addEventListener('change', () => void app.start(engineChoice.value as never));
app.subscribe(() => {
  const { engine: info, task } = app;
  engine.toggleAttribute('data-ready', info !== undefined);
  setText(engine, info ? `Computing with ${info.description}` : task === 'starting' ? 'Starting…' : 'No engine');
  engine.title = info?.notUsed.join('\n') ?? '';
  engineChoice.disabled = task !== undefined;
});

dropping((files) => {
  const kind = kindOf(files);
  if (kind === 'model') model.load(files);
  else if (kind === 'adapter') adapters.add(files);
  else if (files[0]) text.take(files[0]);
});

/** What is wrong with a field is said like everything else that goes wrong. */
function guard(work: () => Promise<void>): void {
  try {
    void work();
  } catch (error) {
    app.fail('This cannot be trained on', error as Error);
  }
}

function settings(): TrainSettings {
  const names = ['steps', 'learning_rate', 'batch_size', 'block', 'seed'] as const;
  return Object.fromEntries(names.map((name) => [name, setting(name).valueAsNumber])) as unknown as TrainSettings;
}

/** For the browser's console: what the page itself uses. */
Object.assign(globalThis, { playground: app });

void app.start('best');
