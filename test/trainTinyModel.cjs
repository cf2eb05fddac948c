// One tiny model through the whole life of an adapter, on whichever copy of the packages it is given.
const assert = require('node:assert/strict');
const { existsSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

exports.trainTinyModel = async function trainTinyModel(tf, core, tuner, config) {
  const { getPeftModel, initialize, Linear, manualSeed, meanSquaredError, Module, PeftModel, relu } = core;
  class Net extends Module {
    first = new Linear(4, 8);
    last = new Linear(8, 2);
    forward(x) {
      return this.last.forward(relu(this.first.forward(x)));
    }
  }
  const build = () => {
    manualSeed(1);
    const net = new Net();
    initialize(net);
    return net;
  };
  const x = tf.tensor2d([0.1, -0.2, 0.3, 0.4, 0.5, 0.6, -0.7, 0.8], [2, 4]);
  const outputs = (model) => tf.tidy(() => Array.from(model.forward(x).dataSync()));
  const near = (a, b) => a.every((value, i) => Math.abs(value - b[i]) < 1e-5);

  const base = build();
  const before = outputs(base);
  const model = getPeftModel(base, config);
  assert.ok(near(outputs(model), before), 'a new adapter changes nothing');

  const target = tf.ones([2, 2]);
  const loss = () => meanSquaredError(model.forward(x), target);
  const variables = Object.values(model.adapterState()).map((parameter) => parameter.value);
  for (let step = 0; step < 2; step++) {
    const { value, grads } = tf.variableGrads(loss, variables);
    for (const variable of variables) variable.assign(tf.sub(variable, tf.mul(grads[variable.name], 0.1)));
    assert.ok(Number.isFinite(value.dataSync()[0]));
  }
  const tuned = outputs(model);
  assert.ok(!near(tuned, before), 'training changes the outputs');

  const folder = mkdtempSync(join(tmpdir(), 'peft-'));
  try {
    await model.savePretrained(folder);
    for (const file of ['adapter_config.json', 'adapter_model.safetensors']) assert.ok(existsSync(join(folder, file)), file);
    const loaded = await PeftModel.fromPretrained(build(), folder, { tuners: [tuner] });
    assert.ok(near(outputs(loaded), tuned), 'the loaded adapter computes the same');
    assert.ok(near(outputs(loaded.mergeAndUnload()), tuned), 'merged, too');
  } finally {
    rmSync(folder, { recursive: true });
  }
};
