/** What tfjs's wasm backend allocates with. */
interface Allocator {
  _malloc(bytes: number): number;
}

/** As much as 32-bit addresses reach. */
const REACH = 2 ** 32;

/**
 * Makes a wasm backend say that its memory ran out. It takes the address 0, which stands for a failure, for memory, and sizes
 * beyond 32 bits for what is left of them: without this it writes over its own data, computes nonsense or never ends.
 */
export function guardMemory(backend: unknown): void {
  const { wasm } = backend as { wasm: Allocator };
  let allocate = wasm._malloc;
  const guarded = (bytes: number): number => {
    const address = bytes < REACH ? allocate(bytes) : 0;
    if (address === 0 && bytes > 0)
      throw new Error(
        `out of memory: the wasm engine has no ${Math.ceil(bytes / 2 ** 20)} MB left of the 4096 it can have at most. ` +
          'Use smaller batches, shorter texts or a smaller model, or free tensors',
      );
    return address;
  };
  // When it is first called it puts another function in its place: that one is guarded, too.
  Object.defineProperty(wasm, '_malloc', {
    configurable: true,
    get: () => guarded,
    set: (replacement: Allocator['_malloc']) => {
      if (replacement !== guarded) allocate = replacement;
    },
  });
}
