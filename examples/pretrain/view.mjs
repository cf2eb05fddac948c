// What a camera in a car sees of things it is told of: they are put into a picture, and into a map of classes, by day or at night.

const [width, height] = [128, 96];
/** The camera: 1.5 m above the road, and how many pixels a metre at a distance of one metre has. */
const eye = 1.5;
const focal = 100;
const endless = 1e4;

export const mix = (a, b, share) => a.map((value, i) => value + (b[i] - value) * share);
export const times = (colour, factor) => colour.map((value) => value * factor);

/** How the light falls: `ambient` on all, `lamps` on what is near, `haze` on what is farther than so many metres. */
const weathers = {
  day: (random) => ({
    sky: mix([120, 170, 230], [220, 225, 230], random.next()),
    ambient: times(mix([1, 0.93, 0.82], [0.88, 0.95, 1], random.next()), 0.75 + 0.35 * random.next()),
    lamps: 0,
    haze: 120 + 200 * random.next(),
    noise: 6,
  }),
  night: (random) => ({
    sky: mix([12, 14, 34], [38, 30, 46], random.next()),
    ambient: times([0.2, 0.2, 0.3], 0.7 + 0.6 * random.next()),
    lamps: 0.8,
    haze: 35 + 50 * random.next(),
    noise: 9,
  }),
};

/**
 * An empty view along a road. What is put into it is painted by a function of the place in it, which gives `[colour, glows]`, or
 * nothing where it has a hole; metres are to the right of the road's middle (`X`), ahead (`z`), up (`high`, `low`) and across (`wide`).
 * @param weather `day` or `night`
 */
export function view(random, weather) {
  const { sky, ambient, lamps, haze, noise } = weathers[weather](random);
  const horizon = height * (0.4 + 0.1 * random.next());
  const middle = width / 2 - 8 + 16 * random.next(); // where the road ends
  const colours = Array.from({ length: width * height }, (_, i) => mix(sky, times(sky, 1.25), Math.floor(i / width) / horizon));
  const depth = new Float32Array(width * height).fill(endless);
  const glowing = new Uint8Array(width * height);
  const map = new Uint8Array(width * height);

  function put(x, y, z, number, [colour, glows = false] = []) {
    const i = y * width + x;
    if (colour === undefined || z >= depth[i]) return;
    depth[i] = z;
    colours[i] = colour;
    glowing[i] = glows;
    map[i] = number;
  }
  const columnOf = (X, z) => middle + (focal * X) / z;
  const rowOf = (Y, z) => horizon + (focal * (eye - Y)) / z;
  const inside = (low, high, size) => [Math.max(0, Math.ceil(low)), Math.min(size - 1, Math.floor(high))];

  return {
    lamps: lamps > 0,

    /** The ground. @param paint of metres to the right and ahead: `[number, colour]` */
    ground(paint) {
      for (let y = Math.ceil(horizon + 1); y < height; y++)
        for (let x = 0; x < width; x++) {
          const z = (focal * eye) / (y - horizon);
          const [number, colour] = paint(((x - middle) * z) / focal, z);
          put(x, y, z, number, [colour]);
        }
    },

    /** Something flat that faces the camera. @param paint of the place in it, from 0 to 1 each to the right and up */
    card(number, { X, z, wide, high, low = 0 }, paint) {
      const [left, right] = [columnOf(X - wide / 2, z), columnOf(X + wide / 2, z)];
      const [top, bottom] = [rowOf(low + high, z), rowOf(low, z)];
      const [x0, x1] = inside(left, Math.max(right, left + 1), width);
      const [y0, y1] = inside(top, bottom, height);
      for (let y = y0; y <= y1; y++)
        for (let x = x0; x <= x1; x++) put(x, y, z, number, paint((x - left) / (right - left), (bottom - y) / (bottom - top)));
    },

    /** Something that stands along the road. @param paint of metres ahead and up */
    wall(number, { X, from, to, high }, paint) {
      for (let x = 0; x < width; x++) {
        const z = (focal * X) / (x - middle);
        if (!(z >= from && z <= to)) continue;
        const [y0, y1] = inside(rowOf(high, z), rowOf(0, z), height);
        for (let y = y0; y <= y1; y++) put(x, y, z, number, paint(z, eye - ((y - horizon) * z) / focal));
      }
    },

    /** What the camera made of it. */
    picture() {
      const data = new Uint8ClampedArray(width * height * 3);
      const grains = random.normal(width * height);
      colours.forEach((colour, i) => {
        const z = depth[i];
        const isLight = z === endless || glowing[i] > 0;
        const near = lamps * Math.exp(-z / 14);
        const clear = isLight ? 1 : Math.exp(-z / haze);
        for (let c = 0; c < 3; c++) {
          const lit = colour[c] * (isLight ? 1 : ambient[c] + near);
          data[i * 3 + c] = sky[c] + (lit - sky[c]) * clear + noise * grains[i];
        }
      });
      return { image: { width, height, data }, segmentation_map: { width, height, data: map } };
    },
  };
}
