import type { Attribute, Binding, Handle, Made } from './binding';
import { FIRST_HELD, type Held, waitsOf } from './held';
import { type Attributes, type Described, operations, WRITES } from './operations';
import { type Pattern, patternOf, repeated } from './patterns';
import { type GraphFiles, type GraphNode, loadGraph } from './savedModel';

export interface GraphBinding extends Binding {
  /** Hands over to TensorFlow what `body` computes as one graph, where it has computed the like some times before. */
  asOneGraph<Out>(body: () => Out): Out;
  /**
   * What `body` makes of `inputs`: where operations are held back and a body of that key was run before, its operations are held
   * back again without running it. Equal keys must mean equal operations, on inputs of equal shapes; what else a body uses must
   * be what `isConstant` knows.
   */
  patterned(key: string, inputs: readonly Handle[], isConstant: (handle: Handle) => boolean, body: () => Made): Made;
  /** Forgets the bodies that were run: a constant is gone. */
  forgetPatterns(): void;
}

/** Attributes in other forms. */
interface Told {
  byName: Attributes;
  /** The codes of operations with these attributes, by their names. */
  codes: Map<string, number>;
}

/** What is known of operations that come again. */
interface Plan {
  /** Codes, inputs, types and outputs; equal where operations are the like of others. */
  signature: readonly number[];
  seen: number;
  graph?: { model: number; inputNames: string; outputNames: string };
  /** TensorFlow does not take them as a graph. */
  refused?: boolean;
}

/** A graph is made when operations come the so-many-th time: that takes as long as it then saves in a dozen tokens. */
const WORTH_IT = 8;
/** So many plans are kept. */
const PLANS = 16;

/**
 * A binding that can hold operations back and hand them over as one graph. To call an operation takes some 10 µs whatever it
 * computes, and a token takes a model some 500 of them, most on a single row: as a graph they take about half as long. Operations
 * are the like of others where the same ones are computed from each other; values and shapes may differ.
 */
export function graphBinding(binding: Binding, files: GraphFiles): GraphBinding {
  /** The one that was used last comes first. */
  const plans: Plan[] = [];
  const codes = new Map<string, number>();
  const patterns = new Map<string, Pattern>();
  const told = new WeakMap<readonly Attribute[], Told>();
  /** What TensorFlow's own handles stand for, of those that were inputs. */
  const known = new Map<Handle, Described>();
  /** TensorFlow's handles of what was held back, is computed and not freed. */
  const computed = new Map<Handle, Handle>();
  let holds = false;
  /** What is held back, in order: the handle of each is that of the first and its place. */
  let held: Held[] = [];
  let first = FIRST_HELD;
  /** Freed while operations were held back that may need them. */
  let doomed: Handle[] = [];

  const real = (handle: Handle): Handle => (handle < FIRST_HELD ? handle : (computed.get(handle) as Handle));

  const isHeld = (handle: Handle): boolean => handle >= first;

  function describe(handle: Handle): Described {
    const said = isHeld(handle) ? held[handle - first] : known.get(handle);
    if (said) return said;
    const own = real(handle);
    // An operation that copies nothing tells shape and type.
    const [{ id, shape, dtype }] = binding.executeOp('Identity', [], [own], 1) as [Made];
    binding.deleteTensor(id);
    let values: readonly number[] | undefined;
    const described = { shape, dtype, values: () => (values ??= Array.from(binding.tensorDataSync(own))) };
    known.set(handle, described);
    return described;
  }

  function hold(name: string, attributes: readonly Attribute[], inputs: readonly Handle[]): Made | undefined {
    const operation = operations[name];
    if (!operation) return undefined;
    const given = inputs.map(describe);
    const { byName, code } = tell(name, attributes);
    const shape = operation.shape(given, byName) as number[] | undefined;
    if (!shape) return undefined;
    const dtype = operation.dtype?.(byName) ?? (given[0] as Described).dtype;
    const one: Held = { id: first + held.length, shape, dtype, name, attributes, code, inputs, freed: false };
    held.push(one);
    return one;
  }

  /** Computes what is held back. */
  function compute(): void {
    if (held.length === 0) return;
    const outputs = [...held.keys()].filter((i) => !held[i]?.freed || held[i]?.name === WRITES);
    try {
      const made = outputs.length === 0 ? [] : (asGraph(outputs) ?? oneByOne(outputs));
      outputs.forEach((i, o) => {
        if (held[i]?.freed) binding.deleteTensor(made[o] as Handle);
        else computed.set(first + i, made[o] as Handle);
      });
    } finally {
      drop();
    }
  }

  /** Nothing is held back any more. */
  function drop(): void {
    first += held.length;
    held = [];
  }

  /** @param outputs the places of what is needed later @returns TensorFlow's handles of it */
  function oneByOne(outputs: readonly number[]): Handle[] {
    const made: Handle[] = [];
    const kept = new Set<Handle>();
    try {
      for (const { name, attributes, inputs } of held) {
        const [out] = binding.executeOp(
          name,
          attributes,
          inputs.map((input) => (isHeld(input) ? (made[input - first] as Handle) : real(input))),
          1,
        ) as [Made];
        made.push(out.id);
      }
      for (const i of outputs) kept.add(made[i] as Handle);
      return [...kept];
    } finally {
      for (const handle of made) if (!kept.has(handle)) binding.deleteTensor(handle);
    }
  }

  /** As `oneByOne`; nothing where there is no graph. */
  function asGraph(outputs: readonly number[]): Handle[] | undefined {
    const feeds = new Map<Handle, number>();
    const signature: number[] = [];
    for (const { code, inputs } of held) {
      signature.push(code);
      for (const input of inputs) signature.push(isHeld(input) ? input - first : -1 - feedOf(input));
    }
    for (const feed of feeds.keys()) signature.push(describe(feed).dtype);
    signature.push(...outputs);
    const plan = planOf(signature);
    plan.seen++;
    if (plan.refused || plan.seen < WORTH_IT) return undefined;
    try {
      plan.graph ??= {
        model: loadGraph(binding, graphOf(feeds), files),
        inputNames: [...feeds.values()].map((feed) => `f${feed}:0`).join(),
        outputNames: outputs.map((i) => `n${i}:0`).join(),
      };
      const { model, inputNames, outputNames } = plan.graph;
      return binding.runSavedModel(model, [...feeds.keys()].map(real), inputNames, outputNames).map(({ id }) => id);
    } catch {
      // Computed one by one, what is wrong is told of the operation that it is wrong with.
      plan.refused = true;
      return undefined;
    }

    function feedOf(handle: Handle): number {
      let feed = feeds.get(handle);
      if (feed === undefined) {
        feed = feeds.size;
        feeds.set(handle, feed);
      }
      return feed;
    }
  }

  function graphOf(feeds: ReadonlyMap<Handle, number>): GraphNode[] {
    const nameOf = (handle: Handle) => (isHeld(handle) ? `n${handle - first}` : `f${feeds.get(handle)}`);
    const typed = (name: string, handle: Handle): Attribute => ({ name, type: binding.TF_ATTR_TYPE, value: describe(handle).dtype });
    const waits = waitsOf(held, first);
    return [
      ...[...feeds.keys()].map((feed) => ({
        name: nameOf(feed),
        operation: 'Placeholder',
        inputs: [],
        attributes: [typed('dtype', feed)],
      })),
      ...held.map(({ name, attributes, inputs }, i) => ({
        name: `n${i}`,
        operation: name,
        inputs: [...inputs.map(nameOf), ...(waits[i] as Handle[]).map((other) => `^${nameOf(other)}`)],
        attributes: [
          ...attributes,
          ...Object.entries(operations[name]?.types ?? {})
            .filter(([type]) => !attributes.some((one) => one.name === type))
            .map(([type, input]) => typed(type, inputs.at(input) as Handle)),
        ],
      })),
    ];
  }

  function tell(name: string, attributes: readonly Attribute[]): { byName: Attributes; code: number } {
    let facts = told.get(attributes);
    if (!facts) {
      facts = { byName: Object.fromEntries(attributes.map((one) => [one.name, one.value])), codes: new Map() };
      told.set(attributes, facts);
    }
    let code = facts.codes.get(name);
    if (code === undefined) {
      const key = `${name} ${JSON.stringify(attributes)}`;
      code = codes.get(key) ?? codes.size;
      codes.set(key, code);
      facts.codes.set(name, code);
    }
    return { byName: facts.byName, code };
  }

  function planOf(signature: readonly number[]): Plan {
    const at = plans.findIndex((plan) => isSame(plan.signature, signature));
    const plan = plans.splice(at, at < 0 ? 0 : 1)[0] ?? { signature, seen: 0 };
    plans.unshift(plan);
    const stale = plans.length > PLANS ? plans.pop() : undefined;
    if (stale?.graph) binding.deleteSavedModel(stale.graph.model);
    return plan;
  }

  const own = {
    patterned(key: string, inputs: readonly Handle[], isConstant: (handle: Handle) => boolean, body: () => Made): Made {
      if (!holds || new Set(inputs).size < inputs.length) return body();
      const pattern = patterns.get(key);
      if (pattern) {
        const place = held.length;
        held.push(...repeated(pattern, first + place, inputs));
        return held[place + pattern.result] as Held;
      }
      const [place, before] = [held.length, first];
      const made = body();
      const found = before === first ? patternOf(held.slice(place), made.id, inputs, isConstant) : undefined;
      if (found) patterns.set(key, found);
      return made;
    },
    forgetPatterns: () => patterns.clear(),
    asOneGraph<Out>(body: () => Out): Out {
      if (holds) return body();
      holds = true;
      try {
        const result = body();
        compute();
        return result;
      } finally {
        holds = false;
        // Where the body threw, nothing of it is of use.
        drop();
        const freed = doomed;
        doomed = [];
        for (const handle of freed) free(handle);
      }
    },
    executeOp(name: string, attributes: readonly Attribute[], inputs: readonly Handle[], outputs: number): Made[] {
      const promised = holds && outputs === 1 ? hold(name, attributes, inputs) : undefined;
      if (promised) return [promised];
      compute();
      return binding.executeOp(name, attributes, computed.size > 0 ? inputs.map(real) : inputs, outputs);
    },
    createTensor(shape: readonly number[], dtype: number, values: ArrayLike<number>): Handle {
      const handle = binding.createTensor(shape, dtype, values);
      if (holds) known.set(handle, { shape, dtype, values: () => Array.from(values) });
      return handle;
    },
    deleteTensor(handle: Handle): void {
      const unmade = isHeld(handle) && held[handle - first];
      if (unmade) unmade.freed = true;
      else if (holds) doomed.push(handle);
      else free(handle);
    },
    runSavedModel(model: number, inputs: readonly Handle[], inputNames: string, outputNames: string): Made[] {
      compute();
      return binding.runSavedModel(model, inputs.map(real), inputNames, outputNames);
    },
    tensorDataSync(handle: Handle): ArrayLike<number> {
      compute();
      return binding.tensorDataSync(real(handle));
    },
  };
  // What the binding has cannot be assigned to, on objects made after it either.
  return Object.create(binding, Object.getOwnPropertyDescriptors(own)) as GraphBinding;

  function free(handle: Handle): void {
    known.delete(handle);
    binding.deleteTensor(real(handle));
    computed.delete(handle);
  }
}

const isSame = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((n, i) => n === b[i]);
