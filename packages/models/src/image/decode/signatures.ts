const starts = (bytes: Uint8Array, text: string, at = 0) => [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));

/** What kind of picture a file is, by its first bytes. */
export function kindOf(bytes: Uint8Array): string {
  if (starts(bytes, '\x89PNG\r\n\x1a\n')) return 'PNG';
  if (starts(bytes, '\xff\xd8\xff')) return 'JPEG';
  if (starts(bytes, 'RIFF') && starts(bytes, 'WEBP', 8)) return 'WebP';
  if (starts(bytes, 'GIF8')) return 'GIF';
  if (starts(bytes, 'BM')) return 'BMP';
  if (starts(bytes, 'II*\0') || starts(bytes, 'MM\0*')) return 'TIFF';
  if (starts(bytes, 'ftyp', 4)) return 'AVIF or HEIC';
  return 'unknown';
}

/** Beyond it Pillow, too, takes a picture for an attack. */
const LARGEST = 178_956_970;

/** Errors: more pixels than anyone means. */
export function checkSize(width: number, height: number): void {
  if (width * height > LARGEST)
    throw new Error(`this picture claims ${width}×${height} pixels, and at most ${LARGEST} are read: make it smaller`);
}
