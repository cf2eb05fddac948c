/// <reference lib="webworker" />
import type { Call, FromWorker, ToWorker } from '../api';
import { openStudio } from './studio';

const say = (message: FromWorker) => postMessage(message);
const studio = openStudio((told) => say({ told }));

/** One call after the other: each finds the model as the last one left it. */
let queue = Promise.resolve();

self.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  if ('stop' in data) studio.stop();
  else queue = queue.then(() => answer(data));
});

async function answer({ id, name, argument }: Call): Promise<void> {
  try {
    const work = studio.api[name] as (argument: unknown) => Promise<unknown>;
    say({ id, result: await work(argument) });
  } catch (error) {
    const { message, name: kind } = error as Error;
    console.error(error);
    say({ id, error: { message: message ?? String(error), name: kind ?? 'Error' } });
  }
}
