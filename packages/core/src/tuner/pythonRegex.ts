const LIMIT = 10_000;

/** A Python regular expression as JavaScript's. Errors: what JavaScript has no form for. */
export function pythonRegex(pattern: string): { source: string; flags: string } {
  if (pattern.length > LIMIT) throw new Error(`a pattern of ${pattern.length} characters is refused: at most ${LIMIT} are read`);
  const inline = /^\(\?([aims]+)\)/.exec(pattern);
  const source = pattern
    .slice(inline?.[0].length ?? 0)
    .replaceAll('(?P<', '(?<')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replaceAll('\\Z', '$(?![\\s\\S])')
    .replaceAll('\\A', '(?<![\\s\\S])');
  const refused = /\(\?>|(?<!\\)[*+?}]\+|\(\?\(/.exec(source);
  if (refused)
    throw new Error(`the pattern ${JSON.stringify(pattern)} uses "${refused[0]}", which JavaScript's regular expressions do not have`);
  try {
    new RegExp(source);
  } catch (error) {
    throw new Error(`the pattern ${JSON.stringify(pattern)} is no regular expression: ${(error as Error).message}`);
  }
  return { source, flags: (inline?.[1] ?? '').replace('a', '') };
}

/** Whether a pattern describes the whole text, as Python's `re.fullmatch`. */
export function fullMatch(pattern: string, text: string): boolean {
  const { source, flags } = pythonRegex(pattern);
  return new RegExp(`^(?:${source})$(?![\\s\\S])`, flags).test(text);
}
