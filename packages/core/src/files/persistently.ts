const TRIES = 5;
const FIRST_WAIT = 250;
const LONGEST_WAIT = 300_000;

/**
 * Sends a request again when nothing answers or the server is overloaded (429, 5xx): later each time, or when the server says.
 * After five tries the last answer is returned, whatever it is.
 */
export async function persistently(send: () => Promise<Response>): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const response = await send().catch((error): undefined => {
      if (attempt === TRIES) throw error;
    });
    if (response && response.status !== 429 && response.status < 500) return response;
    const wait = waitOf(response) ?? FIRST_WAIT * 2 ** (attempt - 1);
    if (response && (attempt === TRIES || wait > LONGEST_WAIT)) return response;
    await response?.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Retry-After, seconds or a date, in milliseconds. */
function waitOf(response: Response | undefined): number | undefined {
  const after = response?.headers.get('retry-after');
  if (!after) return undefined;
  const wait = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
