import { library } from '../../tsup.base';

export default library({ index: 'src/index.ts', data: 'src/data/index.ts' });
