import { type Image, withChannels } from '../Image';
import { readers } from './readers';
import { checkSize } from './signatures';

export type { Image, SegmentationMap } from '../Image';

export const { readImage, readSegmentationMap } = readers({
  async open(address) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address} cannot be fetched: the server answers ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  },
  decode: decodeBitmap,
});

/** What the browser can read: JPEG, WebP, GIF and others. */
async function decodeBitmap(bytes: Uint8Array): Promise<Image> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]), {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
    });
  } catch (error) {
    throw new Error(`this browser cannot read the picture: ${(error as Error).message}`, { cause: error });
  }
  const { width, height } = bitmap;
  try {
    checkSize(width, height);
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('this browser has no canvas to read a picture with');
    context.drawImage(bitmap, 0, 0);
    return withChannels(context.getImageData(0, 0, width, height), 3);
  } finally {
    bitmap.close();
  }
}
