import { droppedFiles } from '../pickedFiles';
import { byId } from './element';

/** Takes what is dropped anywhere on the page. */
export function dropping(take: (files: File[]) => void): void {
  const veil = byId('drop-veil');
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
  document.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) veil.hidden = true;
  });
  document.addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil.hidden = true;
    void droppedFiles(event.dataTransfer as DataTransfer).then(take);
  });
}
