import { inferenceForms } from './engineForms';

/**
 * Computes what `body` computes, as one graph where the engine can and it has computed the like some times before: the same values
 * up to rounding. Of use for small steps that come often, as the tokens of a generating model. Nothing is computed before the end,
 * or before values are read.
 */
export function asOneGraph<Out>(body: () => Out): Out {
  const { asOneGraph: form } = inferenceForms();
  return form ? form(body) : body();
}
