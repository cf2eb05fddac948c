import { codePointOrder } from './codePointOrder';
import type { Source } from './source';

const MAX_JSON = 100_000_000;

/** Reads a JSON file. Errors: what is wrong with it, and where. */
export async function readJson(source: Source, path: string): Promise<unknown> {
  if (!(await source.has(path))) throw new Error(`there is no ${path} in ${source.describe}`);
  const size = await source.size(path);
  if (size > MAX_JSON) throw new Error(`${path} in ${source.describe} has ${size} bytes, more than a config can have`);
  try {
    return JSON.parse(new TextDecoder().decode(await source.read(path)).replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new Error(`${path} in ${source.describe} is no JSON: ${(error as Error).message}`);
  }
}

/**
 * JSON as Python's `json.dumps(value, indent=2, sort_keys=True)` writes it.
 * @param isFloat whether the number at a path is a float in Python, written `1.0` and not `1`
 */
export function writePythonJson(value: unknown, isFloat: (path: readonly string[]) => boolean = () => false): string {
  return write(value, [], isFloat);
}

function write(value: unknown, path: readonly string[], isFloat: (path: readonly string[]) => boolean): string {
  const indent = '  '.repeat(path.length + 1);
  const close = '  '.repeat(path.length);
  if (Array.isArray(value))
    return value.length === 0
      ? '[]'
      : `[\n${value.map((item, i) => indent + write(item, [...path, String(i)], isFloat)).join(',\n')}\n${close}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => codePointOrder(a, b));
    if (entries.length === 0) return '{}';
    return `{\n${entries.map(([key, item]) => `${indent}${text(key)}: ${write(item, [...path, key], isFloat)}`).join(',\n')}\n${close}}`;
  }
  if (typeof value === 'number') return pythonNumber(value, isFloat(path));
  return typeof value === 'string' ? text(value) : JSON.stringify(value ?? null);
}

const text = (value: string) =>
  JSON.stringify(value).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A number as Python prints it: exponents from 1e16 on and below 1e-4, and a point in every float. */
export function pythonNumber(value: number, float: boolean): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (Number.isInteger(value) && !float) return String(BigInt(value));
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    const [digits, exponent] = value.toExponential().split('e') as [string, string];
    return `${digits}e${exponent.startsWith('-') ? '-' : '+'}${exponent.slice(1).padStart(2, '0')}`;
  }
  const plain = String(value);
  if (Object.is(value, -0)) return '-0.0';
  return /[.e]/.test(plain) ? plain : `${plain}.0`;
}
