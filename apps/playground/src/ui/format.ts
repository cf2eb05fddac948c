/** 1.7 MB. */
export function bytes(size: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, size)) / 3));
  const value = size / 1000 ** unit;
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toPrecision(2)} ${units[unit]}`;
}

/** 74,752. */
export const whole = (value: number): string => Math.round(value).toLocaleString('en');

/** 870 thousand, 1.1 billion. */
export function parameters(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toPrecision(2)} billion`;
  if (count >= 1e6) return `${(count / 1e6).toPrecision(2)} million`;
  return whole(count);
}

/** 12 s, 3 min. */
export const duration = (seconds: number): string => (seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`);
