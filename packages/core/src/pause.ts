let last = 0;

/** Lets timers, signals and the page have their turn, at most every 50 ms. */
export async function pause(): Promise<void> {
  if (performance.now() - last < 50) return;
  await new Promise((resolve) => setTimeout(resolve, 0));
  last = performance.now();
}
