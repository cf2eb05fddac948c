import type { HubOptions } from './hub';
import { environment, type NodeModules, nodeModules } from './nodeFs';

/** The hub's address, without a slash at its end. */
export const endpointOf = (options: HubOptions): string =>
  (options.endpoint ?? environment('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '');

/** The token to be sent. Errors: one that no header can hold, without showing it. */
export function tokenOf(options: HubOptions): string | undefined {
  const token = (options.token ?? environment('HF_TOKEN'))?.trim();
  if (token && !/^[\x21-\x7e]+$/.test(token)) throw new Error('the access token for the hub holds characters that no token has');
  return token || undefined;
}

/** A text for a message. */
export const hideToken = (text: string, token: string | undefined): string => (token ? text.replaceAll(token, '…') : text);

/** Where files that were downloaded lie, as for Python's huggingface_hub. */
export function cacheRoot({ os, path }: Pick<NodeModules, 'os' | 'path'>): string {
  const given = environment('HF_HUB_CACHE') ?? environment('HUGGINGFACE_HUB_CACHE');
  const root = given ?? path.join(environment('HF_HOME') ?? path.join(environment('XDG_CACHE_HOME') ?? '~/.cache', 'huggingface'), 'hub');
  return root.replace(/^~(?=$|[\\/])/, os.homedir());
}

/** Whether the environment says that the hub is not to be asked. */
export const isOffline = (): boolean => /^(1|on|yes|true)$/i.test(environment('HF_HUB_OFFLINE') ?? '');

/** How the environment has the hub used. */
export interface HubEnvironment {
  endpoint: string;
  /** Whether there is one; it is shown nowhere. */
  token: boolean;
  /** Nothing in browsers. */
  cache: string | undefined;
  offline: boolean;
}

/** What counts where no option says otherwise. */
export async function hubEnvironment(): Promise<HubEnvironment> {
  const node = await nodeModules();
  return {
    endpoint: endpointOf({}),
    token: Boolean(environment('HF_TOKEN')?.trim()),
    cache: node && cacheRoot(node),
    offline: isOffline(),
  };
}
