import { readPath } from '../../shared/readPath';
import { decodeJpeg } from './jpeg';
import { readers } from './readers';

export type { Image, SegmentationMap } from '../Image';

export const { readImage, readSegmentationMap } = readers({
  open: readPath,
  async decode(bytes, kind) {
    if (kind === 'JPEG') return decodeJpeg(bytes);
    throw new Error(`this file is ${kind === 'unknown' ? 'no picture that is known here' : kind}: PNG and JPEG can be read`);
  },
});
