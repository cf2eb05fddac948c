import { checkRepository, type HubOptions } from './hub';
import { endpointOf, hideToken, tokenOf } from './hubSettings';
import { safePath } from './paths';
import { persistently } from './persistently';

/** How files are put into a repository. */
export interface PushOptions extends Pick<HubOptions, 'endpoint' | 'fetch'> {
  /** An access token that may write. @default the environment's HF_TOKEN */
  token?: string;
  /** Whether a repository made for this is private; one that exists stays as it is. @default the owner's setting */
  private?: boolean;
  /** A branch. @default 'main' */
  revision?: string;
  /** @default 'Upload files' */
  commitMessage?: string;
}

/**
 * Puts files into a repository of the Hugging Face hub as one commit; makes the repository where there is none.
 * Errors: no token, or one that may not write there.
 * @returns the address of the commit
 */
export async function pushToHub(
  repo: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  options: PushOptions = {},
): Promise<string> {
  checkRepository(repo);
  if (!repo.includes('/')) throw new Error(`"${repo}" lacks an owner: give owner/name`);
  const endpoint = endpointOf(options);
  const accessToken = tokenOf(options);
  if (!accessToken)
    throw new Error(`writing to ${endpoint}/${repo} needs a token: set HF_TOKEN or the option \`token\` to one that may write`);
  const { commit, createRepo, HubApiError } = await import('@huggingface/hub');
  const send = options.fetch ?? fetch;
  const shared = {
    repo,
    accessToken,
    hubUrl: endpoint,
    fetch: (...request: Parameters<typeof fetch>) => persistently(() => send(...request)),
  };
  const operations = Object.entries(files).map(([path, content]) => ({
    operation: 'addOrUpdate' as const,
    path: safePath(path),
    content: new Blob([content as Uint8Array<ArrayBuffer> | string]),
  }));
  try {
    await createRepo({ ...shared, ...(options.private === undefined ? {} : { private: options.private }) }).catch((error) => {
      // It is there already.
      if (!(error instanceof HubApiError && error.statusCode === 409)) throw error;
    });
    const done = await commit({
      ...shared,
      operations,
      title: options.commitMessage ?? 'Upload files',
      branch: options.revision ?? 'main',
    });
    return done?.commit.url ?? `${endpoint}/${repo}`;
  } catch (error) {
    const isRefused = error instanceof HubApiError && [401, 403, 404].includes(error.statusCode);
    const reason = isRefused
      ? `the token sent may not write there, or there is no branch ${options.revision ?? 'main'}`
      : (error as Error).message;
    throw new Error(`${endpoint}/${repo} cannot be written: ${hideToken(reason, accessToken)}`);
  }
}
