/** Shows that part of a fieldset which belongs to the chosen one of its radio buttons. */
export function choices<Value extends string>(
  fieldset: HTMLElement,
  changed?: (value: Value) => void,
): { value(): Value; choose(value: Value): void } {
  const radios = [...fieldset.querySelectorAll<HTMLInputElement>('.choices input')];
  const value = () => radios.find(({ checked }) => checked)?.value as Value;
  const show = () => {
    for (const part of fieldset.querySelectorAll<HTMLElement>('[data-for]')) part.hidden = part.dataset.for !== value();
  };
  for (const radio of radios)
    radio.addEventListener('change', () => {
      show();
      changed?.(value());
    });
  show();
  return {
    value,
    choose(wanted) {
      for (const radio of radios) radio.checked = radio.value === wanted;
      show();
    },
  };
}
