/** A relative path inside a folder or repository. Errors: a name that would lead out of it. */
export function safePath(path: string): string {
  if (
    path === '' ||
    path.includes('\0') ||
    path.includes('\\') ||
    path.startsWith('/') ||
    /^[A-Za-z]:/.test(path) ||
    path.split('/').some((part) => part === '..' || part === '.' || part === '')
  )
    throw new Error(`the file name ${JSON.stringify(path)} is refused: it must stay inside its folder`);
  return path;
}
