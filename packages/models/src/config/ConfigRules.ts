/** What a config of one `model_type` may leave out, and what follows from the rest. */
export interface ConfigRules {
  /** What transformers takes for fields that a file leaves out; also says of what kind each field is. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Other names under which files give fields, each with the field's own; as in transformers they go before it. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Fills in what follows from other fields. Errors: values that do not go together. @param raw the file as it is */
  complete?(config: Record<string, unknown>, raw: Readonly<Record<string, unknown>>): void;
}
