/** An adapter's targets match nothing in a model. */
export class NoMatchingModulesError extends Error {
  override name = 'NoMatchingModulesError';
}
