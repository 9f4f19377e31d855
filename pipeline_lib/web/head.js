"use strict";
// The last layer of a model, and how it learns. A row is what the layer takes of a picture: `values`, and the `level` of noise.

const SMOOTHING = 0.1, STEPS = 50, LEAST_DEVIATION = 1e-3;

class Head {
  // `weight` has a row for each class: width numbers, and in a noise-aware model width + 1 more that count by the level.
  constructor(classes, weight, bias, width, temperature) {
    Object.assign(this, { classes, weight, bias, width, temperature, inputs: weight.length / classes.length });
  }

  logits({ values, level }) {
    const { weight, width } = this, logits = Float64Array.from(this.bias);
    for (let c = 0, at = 0; c < logits.length; c++, at += this.inputs) {
      let sum = 0, noisy = 0;
      for (let i = 0; i < width; i++) sum += weight[at + i] * values[i];
      if (level) for (let i = 0; i < width; i++) noisy += weight[at + width + i] * values[i];
      logits[c] += sum + (level ? level * (noisy + weight[at + 2 * width]) : 0);
    }
    return logits;
  }

  probabilities(row) {
    return softmax(this.logits(row).map(logit => logit / this.temperature));
  }

  // A head that starts as this one and has learned from rows, each with its `label`; classes of its own are the last ones.
  //
  // Softmax regression with smoothed labels by accelerated gradient descent (Nesterov 1983). The gradient is that of
  // training/dense.py, softmax(logits) - target, transposed, times the rows; so whatever is added to the weight is a sum of
  // rows, and it is enough to keep the factor of each row: a step costs rows x rows x classes, not rows x values x classes.
  learned(rows, classes) {
    const count = rows.length, width = classes.length, standard = standardised(rows, this.width), kernel = kernelOf(standard);
    const first = new Float64Array(count * width), rate = 2 / largestEigenvalue(kernel, count);
    rows.forEach((row, number) => first.set(this.logits(row), number * width));
    let factors = new Float64Array(count * width), before = factors, momentum = 1;
    for (let step = 0; step < STEPS; step++) {
      const next = (1 + Math.sqrt(1 + 4 * momentum * momentum)) / 2, push = (momentum - 1) / next;
      const ahead = factors.map((factor, at) => factor + push * (factor - before[at]));
      const errors = errorsOf(added(first, kernel, ahead, count, width), rows, width);
      before = factors;
      factors = ahead.map((factor, at) => factor - rate * errors[at]);
      momentum = next;
    }
    return this.with(factors, standard, classes);
  }

  // This head with a sum of standardised rows added to the weight of each class.
  with(factors, { values, levels, mean, deviation }, classes) {
    const { width, inputs } = this, count = classes.length, weight = new Float32Array(count * inputs), bias = new Float32Array(count);
    weight.set(this.weight);
    bias.set(this.bias);
    for (let c = 0; c < count; c++) {
      for (const part of inputs > width ? [0, 1] : [0]) {
        const sums = new Float64Array(width);
        let constant = 0;
        for (let row = 0; row < levels.length; row++) {
          const factor = factors[row * count + c] * (part ? levels[row] : 1);
          if (!factor) continue;
          constant += factor;
          for (let i = 0, at = row * width; i < width; i++) sums[i] += factor * values[at + i];
        }
        const start = c * inputs + part * width;
        for (let i = 0; i < width; i++) {
          weight[start + i] += sums[i] / deviation[i];
          constant -= sums[i] * mean[i] / deviation[i];
        }
        if (part) weight[start + width] += constant;
        else bias[c] += constant;
      }
    }
    return new Head(classes, weight, bias, width, this.temperature);
  }
}

function softmax(logits) {
  const largest = Math.max(...logits), powers = logits.map(logit => Math.exp(logit - largest));
  const sum = powers.reduce((one, other) => one + other);
  return powers.map(power => power / sum);
}

// softmax(logits) - target for each row, one behind the other.
function errorsOf(logits, rows, width) {
  rows.forEach(({ label }, number) => {
    const part = logits.subarray(number * width, (number + 1) * width);
    part.set(softmax(part).map(share => share - SMOOTHING / width));
    part[label] -= 1 - SMOOTHING;
  });
  return logits;
}

// Rows less their mean, by their deviation, one behind the other.
function standardised(rows, width) {
  const mean = new Float64Array(width), deviation = new Float64Array(width), values = new Float32Array(rows.length * width);
  for (const row of rows) for (let i = 0; i < width; i++) mean[i] += row.values[i] / rows.length;
  for (const row of rows) for (let i = 0; i < width; i++) deviation[i] += (row.values[i] - mean[i]) ** 2 / rows.length;
  for (let i = 0; i < width; i++) deviation[i] = Math.max(Math.sqrt(deviation[i]), LEAST_DEVIATION);
  rows.forEach((row, number) => {
    for (let i = 0; i < width; i++) values[number * width + i] = (row.values[i] - mean[i]) / deviation[i];
  });
  return { values, levels: rows.map(row => row.level), mean, deviation };
}

// Products of rows as the layer takes them: with z for the values, (z, z t, t, 1) times (z', z' t', t', 1).
function kernelOf({ values, levels, mean }) {
  const count = levels.length, width = mean.length, kernel = new Float32Array(count * count);
  for (let one = 0; one < count; one++) {
    const a = values.subarray(one * width, (one + 1) * width);
    for (let other = 0; other <= one; other++) {
      const b = values.subarray(other * width, (other + 1) * width);
      let sum = 0;
      for (let i = 0; i < width; i++) sum += a[i] * b[i];
      kernel[one * count + other] = kernel[other * count + one] = (1 + levels[one] * levels[other]) * (sum + 1);
    }
  }
  return kernel;
}

function largestEigenvalue(kernel, count) {
  let vector = new Float64Array(count).fill(1 / Math.sqrt(count)), length = 1;
  for (let round = 0; round < 20; round++) {
    const next = added(new Float64Array(count), kernel, vector, count, 1);
    length = Math.hypot(...next);
    vector = next.map(value => value / length);
  }
  return length;
}

// first + kernel x factors, (count, width).
function added(first, kernel, factors, count, width) {
  const sums = first.slice();
  for (let one = 0; one < count; one++) {
    const to = one * width;
    for (let other = 0; other < count; other++) {
      const product = kernel[one * count + other], from = other * width;
      for (let c = 0; c < width; c++) sums[to + c] += product * factors[from + c];
    }
  }
  return sums;
}
