/** What went wrong, in words for someone who sees the page. */
export interface Problem {
  title: string;
  /** What to do. */
  hint: string;
  /** What the program itself said. */
  detail: string;
}

const MEMORY =
  /out of memory|allocation failed|invalid (typed )?array (buffer )?length|memory\.grow|memory access out of bounds|aborted\(|oom|cannot enlarge memory|texture size.*(too big|greater)|requested texture size/i;
const LOST = /context (was )?lost|device (was |is )?lost|unable to create webgl|failed to compile fragment|mapasync/i;

/** @param title what was being done */
export function explain(title: string, error: Error): Problem {
  const { message: detail, name } = error;
  if (MEMORY.test(detail) || (name === 'RangeError' && /length|size/i.test(detail)))
    return {
      title: `${title}: memory ran out`,
      hint: 'Nothing that was kept before is lost. Take fewer blocks a step, shorter blocks, a smaller adapter or a smaller model, and close other pages.',
      detail,
    };
  if (LOST.test(detail))
    return {
      title: `${title}: the graphics engine stopped`,
      hint: 'The browser took the graphics card away, often because its memory ran out. Choose WebAssembly as the engine, or smaller blocks.',
      detail,
    };
  if (name === 'WorkerLost')
    return {
      title: `${title}: the computation ended`,
      hint: 'It was started anew, and adapters that stand in the list are still there. If this comes again, memory may have run out: take smaller blocks or a smaller model.',
      detail,
    };
  if (/cannot be reached|failed to fetch|networkerror/i.test(detail))
    return { title, hint: 'The network or the server does not answer. Check the connection and the address, then try again.', detail };
  const [first = detail] = detail.split('\n');
  return { title, hint: sentence(first), detail };
}

/** Names of files and fields keep their letters. */
const sentence = (text: string) =>
  `${text.replace(/^[a-z]+(?= )/, (word) => word.charAt(0).toUpperCase() + word.slice(1)).replace(/[.:]?$/, '')}.`;
