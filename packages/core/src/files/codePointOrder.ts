/** Orders texts by their code points, as Python does, and as their UTF-8 bytes are ordered. */
export function codePointOrder(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = ((x[i] as string).codePointAt(0) as number) - ((y[i] as string).codePointAt(0) as number);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}
