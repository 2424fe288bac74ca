"use strict";
// Recorded trainings, unpacked, and what their networks answer: computed from the weights of a frame,
// as Keras computes it.
const recorded = async (packed) => {
  // --- data ---------------------------------------------------------------------------------------
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes(packed)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const scene = await new Response(stream).json();
  const halfFloat = (bits) => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return exponent ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15) : sign * fraction * 2 ** -24;
  };
  const floats = (text) => Float32Array.from(new Uint16Array(bytes(text).buffer), halfFloat);
  const layers = []; // per layer: where its kernel and its bias begin in a frame
  let frameLength = 0;
  for (let l = 1; l < scene.sizes.length; l++) {
    const [inputs, units] = [scene.sizes[l - 1], scene.sizes[l]];
    layers.push({ inputs, units, kernel: frameLength, bias: frameLength + inputs * units });
    frameLength += (inputs + 1) * units;
  }
  const hiddenLayers = layers.length - 1;
  const unpacked = new Map();
  const numbers = (film, mode) => { // of all frames, unpacked when first looked at
    const key = film[mode];
    if (!unpacked.has(key)) unpacked.set(key, floats(key));
    return unpacked.get(key);
  };
  const frameOf = (film, mode, frame) => numbers(film, mode).subarray(frame * frameLength, (frame + 1) * frameLength);
  for (const reel of scene.reels) reel.points = floats(reel.x);

  // --- the network, as Keras computes it ----------------------------------------------------------
  const { reach, values } = scene.curve;
  const activate = (x) => {
    const place = ((x + reach) / (2 * reach)) * (values.length - 1);
    const left = Math.min(Math.max(Math.floor(place), 0), values.length - 2);
    return values[left] + (place - left) * (values[left + 1] - values[left]);
  };
  const planes = new Map();
  const plane = (half, side) => { // the two inputs at every point of the square, top row first
    const key = `${half}/${side}`;
    if (!planes.has(key)) {
      const at = (i) => half * ((2 * i + 1) / side - 1);
      const maps = [new Float32Array(side * side), new Float32Array(side * side)];
      for (let p = 0; p < side * side; p++) {
        maps[0][p] = at(p % side);
        maps[1][p] = -at(Math.floor(p / side));
      }
      planes.set(key, maps);
    }
    return planes.get(key);
  };
  // Responses of all units, layer by layer, inputs first. The output's is 2 p - 1, p the probability.
  const respond = (weights, half, side) => {
    const maps = [plane(half, side)];
    layers.forEach(({ inputs, units, kernel, bias }, l) => {
      const below = maps[l], mine = [];
      for (let u = 0; u < units; u++) {
        const map = new Float32Array(side * side).fill(weights[bias + u]);
        for (let i = 0; i < inputs; i++) {
          const w = weights[kernel + i * units + u], input = below[i];
          if (w) for (let p = 0; p < map.length; p++) map[p] += w * input[p];
        }
        for (let p = 0; p < map.length; p++) map[p] = l < hiddenLayers ? activate(map[p]) : Math.tanh(map[p] / 2);
        mine.push(map);
      }
      maps.push(mine);
    });
    return maps;
  };
  return { scene, layers, hiddenLayers, frameOf, respond, activate };
};
