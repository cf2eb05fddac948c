import type { Attribute, Binding } from './binding';

/** An operation of a graph. */
export interface GraphNode {
  name: string;
  operation: string;
  /** Names of nodes; those that begin with ^ are only to come first. */
  inputs: readonly string[];
  attributes: readonly Attribute[];
}

/** Node's own modules. */
export interface GraphFiles {
  fs: typeof import('node:fs');
  os: typeof import('node:os');
}

const TAG = 'serve';
// What graphs are read by: from 27 on as today, and versions of TensorFlow from 2.9 on know 1000 to be in their past or present.
const PRODUCER = 1000;

/**
 * Has TensorFlow load a graph, by way of a file: tfjs-node takes graphs from nowhere else.
 * @returns its number for `runSavedModel`
 */
export function loadGraph(binding: Binding, nodes: readonly GraphNode[], { fs, os }: GraphFiles): number {
  const folder = fs.mkdtempSync(`${os.tmpdir()}/peft-graph-`);
  try {
    fs.writeFileSync(`${folder}/saved_model.pb`, savedModel(binding, nodes));
    return binding.loadSavedModel(folder, TAG);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

// Protocol buffers, as tensorflow/core/protobuf/saved_model.proto and what it imports define them.
export function savedModel(binding: Binding, nodes: readonly GraphNode[]): Uint8Array {
  const attributeValue = ({ name, type, value }: Attribute): Uint8Array => {
    if (type === binding.TF_ATTR_TYPE) return int(6, value as number);
    if (type === binding.TF_ATTR_BOOL) return int(5, Number(value));
    if (type === binding.TF_ATTR_INT) return int(3, value as number);
    throw new Error(`attribute ${name} is of a type that graphs are not written with`);
  };
  const attribute = (one: Attribute) => bytes(5, text(1, one.name), bytes(2, attributeValue(one)));
  const node = ({ name, operation, inputs, attributes }: GraphNode) =>
    bytes(1, text(1, name), text(2, operation), ...inputs.map((input) => text(3, input)), ...attributes.map(attribute));
  const graph = bytes(2, ...nodes.map(node), bytes(4, int(1, PRODUCER)));
  return Buffer.concat([int(1, 1), bytes(2, bytes(1, text(4, TAG)), graph)]);
}

function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
  return Uint8Array.from([...out, rest]);
}

const int = (field: number, value: number) => Buffer.concat([varint(field * 8), varint(value)]);
const bytes = (field: number, ...content: readonly Uint8Array[]) => {
  const inner = Buffer.concat(content);
  return Buffer.concat([varint(field * 8 + 2), varint(inner.length), inner]);
};
const text = (field: number, value: string) => bytes(field, Buffer.from(value));
