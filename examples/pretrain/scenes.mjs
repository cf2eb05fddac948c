// Made-up pictures of streets, by day or at night, with a class for each pixel. All comes of a seed.
import { Generator } from '@peft/core';
import { mix, times, view } from './view.mjs';

/** The classes of CamVid. */
export const classes = [
  'sky',
  'building',
  'pole',
  'road',
  'pavement',
  'tree',
  'sign',
  'fence',
  'car',
  'pedestrian',
  'bicyclist',
  'unlabelled',
];
const number = Object.fromEntries(classes.map((name, i) => [name, i]));

const walls = [
  [150, 85, 70],
  [190, 175, 150],
  [140, 140, 140],
  [205, 195, 185],
  [120, 95, 80],
];
const paints = [
  [170, 35, 35],
  [40, 70, 140],
  [215, 215, 215],
  [45, 45, 50],
  [160, 165, 170],
  [50, 110, 80],
];
/** Rim and middle. */
const signs = [
  [
    [200, 30, 35],
    [240, 240, 240],
  ],
  [
    [30, 70, 180],
    [60, 110, 220],
  ],
  [
    [230, 190, 40],
    [40, 40, 40],
  ],
];
const skin = [215, 170, 140];

/** One picture: `{ image, segmentation_map }`. */
function scene(random, weather) {
  const pick = (list) => list[random.integer(list.length)];
  const between = (low, high) => low + (high - low) * random.next();
  const { lamps, ground, card, wall, picture } = view(random, weather);

  // A road, pavements beside it, and grass.
  const half = between(3.5, 5.5);
  const kerb = half + between(2, 3.5);
  const [tar, stone] = [times([92, 92, 98], between(0.8, 1.2)), times([165, 155, 145], between(0.85, 1.15))];
  ground((X, z) => {
    const side = Math.abs(X);
    const isLine = side < 0.09 || (side > half - 0.35 && side < half - 0.2);
    if (side < half) return [number.road, isLine && z % 6 < 3 ? [225, 225, 215] : tar];
    if (side < kerb) return [number.pavement, side < half + 0.2 || z % 2 < 0.15 ? times(stone, 0.8) : stone];
    return [number.tree, [85, 120, 60]];
  });

  // Both sides: houses, and gaps with trees and fences.
  for (const side of [-1, 1])
    for (let z = between(1, 5); z < 90; ) {
      const place = { X: side * kerb, from: z, to: z + between(7, 16) };
      if (random.next() < 0.68) house(place, side);
      else {
        if (random.next() < 0.7) wall(number.fence, { ...place, high: 1.3 }, slats);
        for (let at = place.from + 1; at < place.to; at += between(3, 6)) tree(place.X + side * between(1, 4), at);
      }
      z = place.to + (random.next() < 0.25 ? between(1, 4) : 0);
    }

  // Lamps, signs and trees by the kerb.
  for (const side of [-1, 1])
    for (let z = between(6, 14); z < 60; z += between(9, 16)) {
      const grey = times([110, 115, 115], between(0.6, 1.1));
      const what = random.next();
      if (what < 0.4) lamp(side, z, grey);
      else if (what < 0.75) sign(side, z, grey);
      else tree(side * (half + 1), z);
    }

  // Cars on either lane, and parked; people on foot and on bicycles.
  const lanes = [half / 2, -half / 2, half - 1.1, 1.1 - half];
  for (let count = 3 + random.integer(5); count > 0; count--) car(pick(lanes) + between(-0.3, 0.3), between(5, 35));
  for (let count = 1 + random.integer(5); count > 0; count--) walker();
  for (let count = random.integer(3); count > 0; count--) rider();
  return picture();

  function house(place, side) {
    const high = between(5, 15);
    const colour = pick(walls);
    const [lit, storey] = [between(0.2, 0.6), between(2.6, 3.2)];
    const front = (along, up) => {
      const isWindow = along % 2.4 > 0.8 && up % storey > 1 && up % storey < 2.4;
      if (!isWindow) return [colour];
      // By chance, and the same for all of a window.
      const chance = Math.abs(Math.sin(Math.floor(along / 2.4) * 12.9 + Math.floor(up / storey) * 78.2 + place.from) * 43758) % 1;
      return lamps && chance < lit ? [[235, 195, 110], true] : [[65, 75, 90]];
    };
    wall(number.building, { ...place, high }, front);
    card(number.building, { X: place.X + side * 8, z: place.from, wide: 16, high }, (u, v) => front(u * 16, v * high));
  }

  function tree(X, z) {
    const high = between(4, 8);
    const green = mix([50, 95, 40], [110, 140, 60], random.next());
    const spots = Array.from({ length: 16 }, () => between(0.7, 1.2));
    card(number.tree, { X, z, wide: 0.5, high: high * 0.5 }, () => [[85, 65, 50]]);
    card(number.tree, { X, z, wide: high * 0.7, high: high * 0.75, low: high * 0.3 }, (u, v) => {
      const [i, j] = [Math.floor(u * 3.99), Math.floor(v * 3.99)];
      const edge = 0.2 + 0.05 * spots[(i + j * 5) % 16];
      return (u - 0.5) ** 2 + (v - 0.5) ** 2 < edge ? [times(green, spots[(i * 4 + j) % 16])] : undefined;
    });
  }

  function lamp(side, z, grey) {
    const X = side * (half + 0.5);
    card(number.pole, { X, z, wide: 0.22, high: 6 }, () => [grey]);
    card(number.pole, { X: X - side * 0.5, z, wide: 1.1, high: 0.25, low: 5.9 }, () => (lamps ? [[255, 225, 160], true] : [grey]));
  }

  function sign(side, z, grey) {
    const X = side * (half + 0.5);
    const [rim, middle] = pick(signs);
    const isRound = random.next() < 0.6;
    card(number.pole, { X, z, wide: 0.18, high: 2.6 }, () => [grey]);
    card(number.sign, { X, z: z - 0.1, wide: 1, high: 1, low: 2.2 }, (u, v) => {
      const far = 2 * (isRound ? Math.hypot(u - 0.5, v - 0.5) : Math.max(Math.abs(u - 0.5), Math.abs(v - 0.5)));
      return far < 0.65 ? [middle] : far < 1 ? [rim] : undefined;
    });
  }

  function car(X, z) {
    const paint = mix(pick(paints), [128, 128, 128], 0.2 * random.next());
    card(number.car, { X, z, wide: 1.9, high: between(1.4, 1.8) }, (u, v) => {
      const out = Math.abs(u - 0.5);
      const roof = 0.44 - 0.3 * (v - 0.58);
      if (v < 0.17) return out > 0.28 && out < 0.46 ? [[25, 25, 25]] : undefined;
      if (v > 0.58) return out > roof ? undefined : [v < 0.9 && out < roof - 0.08 ? [60, 70, 80] : paint];
      if (out > 0.36 && v > 0.4 && v < 0.55) return [[220, 40, 30], lamps];
      return [out < 0.14 && v > 0.28 && v < 0.4 ? [225, 215, 120] : v < 0.25 ? times(paint, 0.6) : paint];
    });
  }

  function clothes() {
    const cloth = () => [between(30, 220), between(30, 200), between(30, 220)];
    return [cloth(), cloth()];
  }

  function walker() {
    const [shirt, trousers] = clothes();
    const beside = pick([-1, 1]) * between(half + 0.7, kerb - 0.4);
    const X = random.next() < 0.15 ? between(-half, half) : beside;
    card(number.pedestrian, { X, z: between(4, 20), wide: 0.75, high: between(1.6, 1.95) }, (u, v) => {
      const out = Math.abs(u - 0.5);
      if (v > 0.85) return out < 0.2 ? [skin] : undefined;
      if (v > 0.45) return out < 0.42 ? [shirt] : undefined;
      return out < 0.34 && out > 0.06 ? [trousers] : undefined;
    });
  }

  function rider() {
    const [shirt, trousers] = clothes();
    const ahead = pick([-1, 1]);
    const X = pick([-1, 1]) * between(half - 1.8, half - 0.6);
    card(number.bicyclist, { X, z: between(4, 16), wide: 1.8, high: 1.8 }, (u, v) => {
      const along = (u - 0.5) * ahead;
      const wheel = Math.hypot(Math.abs(along) - 0.29, v - 0.2);
      if (v > 0.84) return Math.abs(along - 0.1) < 0.08 ? [skin] : undefined;
      if (v > 0.5) return Math.abs(along - 0.22 * (v - 0.5)) < 0.15 ? [shirt] : undefined;
      if (Math.abs(along) < 0.1 && v > 0.12) return [trousers];
      if (wheel < 0.2 && wheel > 0.1) return [[35, 35, 35]];
      return v > 0.28 && v < 0.36 && Math.abs(along) < 0.29 ? [[150, 40, 40]] : undefined;
    });
  }
}

/** The boards of a fence, by metres along it and up. */
const slats = (along, up) => [along % 0.8 < 0.3 || up > 1.1 ? [105, 80, 55] : [140, 112, 80]];

/** Pictures without end. @param weather `day` or `night` */
export function* streets(seed, weather) {
  const random = new Generator(seed);
  for (;;) yield scene(random, weather);
}

/** Pictures for the task, at night. */
export function scenes(count, seed) {
  const random = new Generator(seed);
  return Array.from({ length: count }, () => scene(random, 'night'));
}
