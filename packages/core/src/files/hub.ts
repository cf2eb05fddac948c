import type { Source } from './source';

/** Where a repository is found and how it is read. */
export interface HubOptions {
  revision?: string;
  subfolder?: string;
  token?: string;
  cacheDir?: string;
  localFilesOnly?: boolean;
  endpoint?: string;
  fetch?: typeof fetch;
  onProgress?: (progress: { file: string; loaded: number; total: number }) => void;
}

export const looksLikeRepository = (name: string): boolean => /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(name);

export function hub(_repo: string, _options: HubOptions = {}): Source {
  throw new Error('not yet');
}

export interface PushOptions {
  token?: string;
  private?: boolean;
  revision?: string;
  commitMessage?: string;
  endpoint?: string;
  fetch?: typeof fetch;
}

export async function pushToHub(_repo: string, _files: Readonly<Record<string, Uint8Array | string>>, _options: PushOptions = {}): Promise<void> {
  throw new Error('not yet');
}
