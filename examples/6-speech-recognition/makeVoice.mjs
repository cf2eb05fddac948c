// Makes voice.safetensors anew, the voice that the example adapts to (apt install espeak-ng):
//   node examples/6-speech-recognition/makeVoice.mjs
// Sentences of seed 2, none of them one that the stand-in was pretrained on.
import { fileURLToPath } from 'node:url';
import { lessons, sentences, speak } from '../pretrain/speech.mjs';
import { writeClips } from './clips.mjs';

const how = { voice: 'en-gb-scotland+f3', speed: 160, pitch: 50 };
const clips = [];
for (const text of sentences(160, 2, lessons(1))) clips.push({ text, bands: await speak(text, how) });
await writeClips(fileURLToPath(new URL('voice.safetensors', import.meta.url)), clips);
