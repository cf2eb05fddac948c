import { readFile } from 'node:fs/promises';
import { decode, encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { fixturePath, readFixture } from '../../fixtures/fixtures';
import { readImage, readSegmentationMap } from './node';

interface Decoded {
  width: number;
  height: number;
  mode: 'L' | 'RGB';
  expected: string;
  map?: string;
}
const { decoded } = await readFixture<{ decoded: Record<string, Decoded> }>('vision/pillow.json');
const read = async (name: string) => new Uint8Array(await readFile(fixturePath(`vision/images/${name}`)));
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));

describe('files hold what Pillow reads of them, to the bit', () => {
  it.each(Object.entries(decoded))('%s', async (name, { width, height, mode, expected, map }) => {
    const file = await read(name);
    const image = await readImage(file);
    const wanted = bytes(expected);
    // A decoder of JPEG gives grey as colour.
    const ours = mode === 'L' && image.data.length === 3 * wanted.length ? image.data.filter((_, i) => i % 3 === 0) : image.data;
    expect({ width: image.width, height: image.height, data: Uint8Array.from(ours) }).toEqual({ width, height, data: wanted });
    expect(await readImage(new Blob([file]))).toEqual(image);
    expect(await readImage(fixturePath(`vision/images/${name}`))).toEqual(image);
    if (map && name.endsWith('png')) expect(await readSegmentationMap(file)).toEqual({ width, height, data: bytes(map) });
  });

  it('maps of 16 bits keep their numbers', async () => {
    const { width, height, data } = await readSegmentationMap(await read('deep.png'));
    expect([width, height, data.constructor]).toEqual([20, 12, Uint16Array]);
    expect(data).toEqual(decode(await read('deep.png')).data);
  });

  it('interlaced ones, too', async () => {
    const { width, height, data } = await readImage(await read('rgb.png'));
    const interlaced = encode({ width, height, data: data as Uint8Array, channels: 3 }, { interlace: 'Adam7' });
    expect(await readImage(interlaced)).toEqual({ width, height, data });
  });

  it('several at once', async () => {
    const names = ['subsampled.jpg', 'progressive.jpg', 'turned.jpg'];
    const files = await Promise.all(names.map(read));
    const images = await Promise.all([...files, ...files].map((file) => readImage(file)));
    expect(images.slice(3)).toEqual(images.slice(0, 3));
    expect('ImageData' in globalThis).toBe(false);
  });
});

describe('what cannot be read is refused with the reason', () => {
  it.each([
    ['nothing', new Uint8Array(0), 'no picture that is known here: PNG and JPEG can be read'],
    ['text', new TextEncoder().encode('hello, hello, hello'), 'no picture that is known here'],
    ['a WebP', new TextEncoder().encode('RIFF1234WEBPVP8 '), 'this file is WebP: PNG and JPEG can be read'],
    ['a GIF', new TextEncoder().encode('GIF89a'), 'this file is GIF'],
  ])('%s', async (_, file, message) => {
    await expect(readImage(file)).rejects.toThrow(message);
  });

  it('damaged files', async () => {
    const [png, jpeg] = [await read('rgb.png'), await read('subsampled.jpg')];
    await expect(readImage(png.subarray(0, 20))).rejects.toThrow('this PNG has 20 bytes only: it is cut off');
    await expect(readImage(png.subarray(0, 300))).rejects.toThrow('this PNG cannot be read');
    const flipped = png.slice();
    flipped[100] = (flipped[100] as number) ^ 255;
    await expect(readImage(flipped)).rejects.toThrow('this PNG cannot be read');
    await expect(readImage(jpeg.subarray(0, 300))).rejects.toThrow(/this JPEG cannot be read: .*SOS/);
    await expect(readImage(jpeg.subarray(0, 650))).rejects.toThrow('this JPEG cannot be read: Premature end of JPEG file');
    expect((await readImage(jpeg)).width).toBe(20);
  });

  it('files that claim more pixels than there can be', async () => {
    const png = (await read('rgb.png')).slice();
    new DataView(png.buffer).setUint32(16, 60000);
    new DataView(png.buffer).setUint32(20, 60000);
    await expect(readImage(png)).rejects.toThrow('claims 60000×60000 pixels');
    const jpeg = (await read('subsampled.jpg')).slice();
    const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
    new DataView(jpeg.buffer).setUint16(frame + 5, 60000);
    new DataView(jpeg.buffer).setUint16(frame + 7, 60000);
    await expect(readImage(jpeg)).rejects.toThrow('claims 60000×60000 pixels');
  });

  it('maps that are pictures', async () => {
    await expect(readSegmentationMap(await read('rgb.png'))).rejects.toThrow('this PNG has 3 numbers a pixel');
    await expect(readSegmentationMap(fixturePath('vision/images/rgba.png'))).rejects.toThrow(/rgba\.png: this PNG has 4 numbers a pixel/);
    await expect(readSegmentationMap(await read('grey.jpg'))).rejects.toThrow('a segmentation map is a PNG, and this file is JPEG');
  });
});
