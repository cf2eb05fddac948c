import { type Method, methods, type Option } from '../methods';
import { byId, make, setText } from './element';

/** Chooses the method and its options. @param changed is told which one */
export function methodPanel(changed: (method: Method) => void): { config(): Record<string, unknown> } {
  const select = byId<HTMLSelectElement>('method-choice');
  const options = byId('method-options');
  const more = byId<HTMLTextAreaElement>('method-more');
  /** What was set, by method and name: choosing another method and coming back loses nothing. */
  const kept = new Map<string, Map<string, string | boolean>>();

  const method = () => methods[select.value] as Method;
  const values = () => {
    const found = kept.get(select.value) ?? new Map<string, string | boolean>();
    kept.set(select.value, found);
    return found;
  };
  const show = () => {
    setText(byId('method-note'), method().note);
    options.replaceChildren(...method().options.map((option) => field(option, values())));
    options.hidden = method().options.length === 0;
    changed(method());
  };
  select.append(...Object.entries(methods).map(([type, { title }]) => make('option', { value: type }, title)));
  select.addEventListener('change', show);
  show();

  return {
    config() {
      const set = values();
      const given = Object.fromEntries(method().options.map((option) => [option.name, chosen(option, set.get(option.name))]));
      return { peft_type: select.value, ...(method().complete?.(given) ?? given), ...parse(more.value) };
    },
  };
}

function field(option: Option, values: Map<string, string | boolean>): HTMLElement {
  const { name, kind } = option;
  const value = values.get(name) ?? (typeof option.value === 'number' ? String(option.value) : option.value);
  const keep = (event: Event) => {
    const target = event.target as HTMLInputElement;
    values.set(name, kind === 'check' ? target.checked : target.value);
  };
  const listen = { input: keep, name };
  const control =
    option.kind === 'choice'
      ? make('select', listen, ...Object.keys(option.choices).map((text) => make('option', { selected: text === value }, text)))
      : option.kind === 'check'
        ? make('input', { ...listen, type: 'checkbox', checked: value === true })
        : option.kind === 'number'
          ? make('input', { ...listen, type: 'number', value: value as string, min: option.min ?? 0, step: 'any', required: true })
          : make('input', { ...listen, type: 'text', value: value as string });
  const label = make(
    'label',
    { class: `field${kind === 'check' ? ' check' : ''}${kind === 'text' ? ' wide' : ''}` },
    make('span', {}, name),
    control,
  );
  if (option.hint !== undefined) label.append(make('small', {}, option.hint));
  return label;
}

function chosen(option: Option, set: string | boolean | undefined): unknown {
  if (set === undefined && option.kind !== 'choice') return option.value;
  if (option.kind === 'number') return Number(set);
  if (option.kind === 'choice') return option.choices[(set ?? option.value) as string];
  return set;
}

function parse(text: string): Record<string, unknown> {
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`the additional fields are no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('the additional fields must be an object in JSON, such as { "bias": "all" }');
  return value as Record<string, unknown>;
}
