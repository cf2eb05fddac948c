/** Bytes of one value, by the type's name in safetensors files. */
export const WIDTH: Readonly<Record<string, number>> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** Values as float32, or for whole numbers and truth values int32. Errors: types that cannot be read, whole numbers that do not fit. */
export function decode(bytes: Uint8Array, dtype: string): Float32Array | Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.byteLength / (WIDTH[dtype] ?? 1);
  switch (dtype) {
    case 'F32':
      return new Float32Array(aligned(bytes, 4));
    case 'F16':
      return Float32Array.from({ length: count }, (_, i) => fromHalf(view.getUint16(2 * i, true)));
    case 'BF16': {
      const wide = new Uint32Array(count);
      for (let i = 0; i < count; i++) wide[i] = view.getUint16(2 * i, true) << 16;
      return new Float32Array(wide.buffer);
    }
    case 'F64':
      return Float32Array.from({ length: count }, (_, i) => view.getFloat64(8 * i, true));
    case 'I64':
      return Int32Array.from({ length: count }, (_, i) => fits(Number(view.getBigInt64(8 * i, true))));
    case 'U32':
      return Int32Array.from({ length: count }, (_, i) => fits(view.getUint32(4 * i, true)));
    case 'I32':
      return new Int32Array(aligned(bytes, 4));
    case 'I16':
      return Int32Array.from({ length: count }, (_, i) => view.getInt16(2 * i, true));
    case 'U16':
      return Int32Array.from({ length: count }, (_, i) => view.getUint16(2 * i, true));
    case 'I8':
      return Int32Array.from({ length: count }, (_, i) => view.getInt8(i));
    case 'U8':
    case 'BOOL':
      return Int32Array.from(bytes);
    default:
      throw new Error(
        `values of type ${dtype} cannot be read; ${Object.keys(WIDTH)
          .filter((name) => !/^(U64|F8)/.test(name))
          .join(', ')} can`,
      );
  }
}

/** Values as bytes of a type. */
export function encode(data: Float32Array | Int32Array, dtype: string): Uint8Array {
  const bytes = new Uint8Array(data.length * (WIDTH[dtype] ?? 0));
  const view = new DataView(bytes.buffer);
  switch (dtype) {
    case 'F32':
      return new Uint8Array(Float32Array.from(data).buffer);
    case 'I32':
      return new Uint8Array(Int32Array.from(data).buffer);
    case 'F64':
      data.forEach((value, i) => view.setFloat64(8 * i, value, true));
      return bytes;
    case 'F16':
      data.forEach((value, i) => view.setUint16(2 * i, toHalf(value), true));
      return bytes;
    case 'BF16':
      data.forEach((value, i) => view.setUint16(2 * i, toBrainFloat(value), true));
      return bytes;
    case 'I64':
      data.forEach((value, i) => view.setBigInt64(8 * i, BigInt(value), true));
      return bytes;
    case 'U8':
    case 'I8':
    case 'BOOL':
      return Uint8Array.from(data);
    default:
      throw new Error(`values cannot be written as ${dtype}`);
  }
}

/** A buffer of its own, whose start is aligned. */
const aligned = (bytes: Uint8Array, width: number): ArrayBuffer => {
  if (bytes.byteOffset % width === 0 && bytes.byteLength === bytes.buffer.byteLength) return bytes.buffer as ArrayBuffer;
  // Not slice: a Buffer's gives a view of the same memory.
  return new Uint8Array(bytes).buffer;
};

function fits(value: number): number {
  if (value < -0x80000000 || value > 0x7fffffff) throw new Error(`the whole number ${value} does not fit in 32 bits`);
  return value;
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** Rounded to the nearest, halves to even. */
function toHalf(value: number): number {
  float[0] = value;
  const bits = word[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half: steps of 2⁻²⁴.
    const steps = Math.abs(value) * 2 ** 24;
    const below = Math.floor(steps);
    const rest = steps - below;
    return sign | (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

function toBrainFloat(value: number): number {
  float[0] = value;
  const bits = word[0] as number;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
