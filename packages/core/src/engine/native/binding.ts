/** What tfjs-node's binding to TensorFlow offers, as far as it is used here. */
export interface Binding {
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_SHAPE: number;
  readonly TF_ATTR_STRING: number;
  executeOp(name: string, attributes: readonly Attribute[], inputs: readonly Handle[], outputs: number): Made[];
  createTensor(shape: readonly number[], dtype: number, values: ArrayLike<unknown>): Handle;
  deleteTensor(handle: Handle): void;
  tensorDataSync(handle: Handle): ArrayLike<number>;
  /** Loads what lies in a folder. @returns its number */
  loadSavedModel(folder: string, tags: string): number;
  deleteSavedModel(model: number): void;
  /** Names of inputs and outputs are parted by commas. */
  runSavedModel(model: number, inputs: readonly Handle[], inputNames: string, outputNames: string): Made[];
}

export interface Attribute {
  name: string;
  type: number;
  value: unknown;
}

/** A tensor of TensorFlow's own. */
export type Handle = number;

export interface Made {
  id: Handle;
  shape: number[];
  /** TensorFlow's number for it. */
  dtype: number;
}
