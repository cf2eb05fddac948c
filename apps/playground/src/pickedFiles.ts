import type { Files } from './api';

/** What files that were picked or dropped together are meant to be. */
export type Kind = 'model' | 'adapter' | 'text';

/** Where a file lies in the folder that was picked, or its name. */
const pathOf = (file: File): string => (file as File & { path?: string }).webkitRelativePath || file.name;
const nameOf = (file: File): string => file.name;

const isAdapter = (name: string) => name === 'adapter_config.json' || /^adapter_model\./.test(name);

export function kindOf(files: readonly File[]): Kind {
  const names = files.map(nameOf);
  if (names.some(isAdapter)) return 'adapter';
  if (names.some((name) => name === 'config.json' || /\.(safetensors|bin)$/.test(name))) return 'model';
  return 'text';
}

/** A model's files by their names; those in folders of the folder are left out. */
export function modelFiles(files: readonly File[]): { name: string; files: Files } {
  const config = files.find(({ name }) => name === 'config.json');
  const folder = config ? pathOf(config).slice(0, -'config.json'.length) : '';
  const own = files.filter((file) => pathOf(file) === folder + file.name);
  const name = folder.split('/').at(-2) ?? 'a folder';
  return { name, files: Object.fromEntries((own.length > 0 ? own : files).map((file) => [file.name, file])) };
}

/** PEFT's files, and the name of the folder they lay in. */
export function adapterFiles(files: readonly File[]): { name: string; files: Files } {
  const own = files.filter(({ name }) => isAdapter(name));
  const folder = own.map((file) => pathOf(file).split('/').at(-2)).find((name) => name !== undefined);
  return { name: folder ?? 'From files', files: Object.fromEntries(own.map((file) => [file.name, file])) };
}

/** The files of a drop, those in dropped folders included. */
export async function droppedFiles(transfer: DataTransfer): Promise<File[]> {
  // Entries must be taken before anything is awaited: the transfer is empty afterwards.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return [...transfer.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    const path = entry.fullPath.replace(/^\//, '');
    // A dropped file does not know its folder; a picked one does.
    if (file.webkitRelativePath === '' && path.includes('/')) Object.defineProperty(file, 'webkitRelativePath', { value: path });
    return [file];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: FileSystemEntry[] = [];
  // A reader gives a hundred at a time.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(filesIn))).flat();
}
