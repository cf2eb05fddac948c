import { type Comparison, largestDifference } from './Comparison';
import { type ReferenceCase, tensorsBelow } from './readCase';
import { type ReferenceOptions, Unsupported } from './runCase';

/** What an image or audio front end makes of its input; both stand in one file. */
export async function compareProcessor(
  { path, tensors }: ReferenceCase,
  { loadProcessor }: ReferenceOptions,
  comparison: Comparison,
): Promise<void> {
  if (!loadProcessor) throw new Unsupported('there are no processors');
  const given = await tensorsBelow(tensors, '');
  const made = await (await loadProcessor(path))(given);
  if (Object.keys(made).length === 0) comparison.problems.push('the processor makes nothing');
  for (const [name, ours] of Object.entries(made)) {
    const theirs = given[name];
    comparison.equal(`shape of ${name}`, ours.shape, theirs?.shape);
    if (theirs) comparison.note('processed', name, largestDifference(ours.data, theirs.data));
  }
}
