// Maps of classes laid over pictures, and pictures side by side in a PNG file.
import { encode } from 'fast-png';

/** The colours in which CamVid's classes are drawn. */
const colours = [
  [128, 128, 128],
  [128, 0, 0],
  [192, 192, 128],
  [128, 64, 128],
  [60, 40, 222],
  [128, 128, 0],
  [192, 128, 128],
  [64, 64, 128],
  [64, 0, 128],
  [64, 64, 0],
  [0, 128, 192],
  [0, 0, 0],
];

/** A picture in colour, half covered by the colours of its pixels' classes. */
export const laid = ({ width, height, data }, map) => ({
  width,
  height,
  data: Uint8Array.from(data, (value, i) => (value + colours[map.data[Math.floor(i / 3)]][i % 3]) / 2),
});

/** Four pictures in colour and of one size, two by two, small ones blown up. @returns the bytes of a PNG file */
export function mosaic(pictures) {
  const { width: W, height: H } = pictures[0];
  const zoom = Math.max(1, Math.floor(480 / W));
  const [width, height] = [2 * W * zoom, 2 * H * zoom];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [column, row] = [Math.floor(x / zoom), Math.floor(y / zoom)];
      const picture = pictures[Math.floor(column / W) + 2 * Math.floor(row / H)];
      const from = 3 * ((row % H) * W + (column % W));
      for (let c = 0; c < 3; c++) data[at++] = picture.data[from + c];
    }
  return encode({ width, height, channels: 3, data });
}
