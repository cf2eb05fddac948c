import type { Files } from './api';
import { make } from './ui/element';
import { bytes } from './ui/format';

/** Addresses of blobs live as long as the page would; each blob has one. */
const addresses = new WeakMap<Blob, string>();

function addressOf(blob: Blob): string {
  const address = addresses.get(blob) ?? URL.createObjectURL(blob);
  addresses.set(blob, address);
  return address;
}

export const downloadLink = (name: string, blob: Blob): HTMLAnchorElement =>
  make('a', { href: addressOf(blob), download: name }, `${name} (${bytes(blob.size)})`);

/** Downloads each file; browsers ask once whether a page may download several. */
export function downloadAll(files: Files): void {
  for (const [name, blob] of Object.entries(files)) downloadLink(name, blob).click();
}
