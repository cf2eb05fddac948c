// What was built, in plain Node, as CommonJS.
require('@tensorflow/tfjs-backend-wasm');
const { before, test } = require('node:test');
const tf = require('@tensorflow/tfjs-core');
const core = require('@peft/core');
const { ia3, ia3Config } = require('@peft/ia3');
const { lora, loraConfig } = require('@peft/lora');
const { trainTinyModel } = require('./trainTinyModel.cjs');

before(() => tf.setBackend('wasm'));

test('LoRA: attach, train, save, load, merge', () =>
  trainTinyModel(tf, core, lora, loraConfig({ r: 2, target_modules: ['first', 'last'] })));
test('(IA)3: attach, train, save, load, merge', () =>
  trainTinyModel(tf, core, ia3, ia3Config({ target_modules: ['first', 'last'], feedforward_modules: ['last'] })));
