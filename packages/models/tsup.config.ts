import { library } from '../../tsup.base';

export default library({
  index: 'src/index.ts',
  audio: 'src/audio/index.ts',
  images: 'src/image/decode/node.ts',
  'images.browser': 'src/image/decode/browser.ts',
});
