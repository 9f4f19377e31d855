"use strict";
// Teaching: a person says what a photograph shows, the last layer learns it at once, and a download has what was said.

Object.assign(TEXTS.en, {
  teach: "Teach it", teachHow: "Say below an answer what the photograph shows, or show some photographs of a new class.",
  newName: "Name of a new class", newFiles: "Choose its photographs", shows: "It shows", asAnswered: "what is said here",
  noName: "Give the new class a name first.", taken: "There is a class of this name; say below the answers that they show it.",
  patch: "Download what was taught", forget: "Forget it",
  learned: (count, seconds) => `Learned from ${count} ${count === 1 ? "photograph" : "photographs"} in ${seconds.toFixed(1)} s.`,
  forgot: "Everything that was taught is forgotten.",
  insecure: "The browser computes no digests here; open the page from a disk or over https.",
});
Object.assign(TEXTS.zh, {
  teach: "教它识别", teachHow: "在结果下方选择照片的真实类别，或者为新类别选择几张照片。",
  newName: "新类别的名称", newFiles: "选择该类别的照片", shows: "实际是", asAnswered: "与识别结果相同",
  noName: "请先填写新类别的名称。", taken: "该类别已存在，请在结果下方选择它。",
  patch: "下载所教内容", forget: "全部忘记",
  learned: (count, seconds) => `已学习 ${count} 张照片，用时 ${seconds.toFixed(1)} 秒。`,
  forgot: "所教内容已全部忘记。",
  insecure: "浏览器在此无法计算摘要，请从磁盘或通过 https 打开本页。",
});

const cards = new Map();  // article -> {file, row, label}: what is shown, and what was said of it
let shipped = null, examples = null;

// Return the examples that the page came with: rows of float16, each with its label.
async function shippedExamples() {
  const { values, levels, labels } = MODEL.examples, bits = new Uint16Array(await bytesOf(values)), width = MODEL.head.width;
  const floats = Float32Array.from(bits, half);
  return labels.map((label, row) => ({ values: floats.subarray(row * width, (row + 1) * width), level: levels[row], label }));
}

// The number that 16 bits stand for (IEEE 754, binary16); rows have no infinite ones.
function half(bits) {
  const exponent = bits >> 10 & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * fraction / 1024);
}

// Whether an example is of the photograph of a row, about which a person has just said something else.
function isOf(example, row) {
  return example.values.every((value, at) => Math.abs(value - row.values[at]) < 0.01 * (1 + Math.abs(value)));
}

async function learn() {
  await model.loaded;
  shipped ??= model.head;
  examples ??= await shippedExamples();
  const taught = [...cards.values()].filter(each => each.label), started = performance.now();
  const classes = [...new Set([...shipped.classes, ...taught.map(each => each.label)])];
  const rows = taught.map(({ row, label }) => ({ ...row.seen, label: classes.indexOf(label) }));
  const others = examples.filter(example => !rows.some(row => isOf(example, row)));
  model.head = rows.length ? shipped.learned([...others, ...rows], classes) : shipped;
  const seconds = (performance.now() - started) / 1000;
  tell(() => rows.length ? text("learned")(rows.length, seconds) : text("forgot"));
  refresh();
}

// Show what the model says now.
function refresh() {
  for (const [article, { row }] of cards) article.querySelector(".answer").replaceWith(said(answer(model.head, row.seen)));
  for (const select of document.querySelectorAll("select")) fill(select);
  for (const button of [patchButton, forgetButton]) button.disabled = ![...cards.values()].some(each => each.label);
}

function fill(select) {
  const chosen = cards.get(select.closest("article"))?.label ?? "";
  const options = [...model.head.classes].sort((one, other) => className(one).localeCompare(className(other), language));
  select.replaceChildren(new Option(text("asAnswered"), ""), ...options.map(name => new Option(className(name), name)));
  select.value = chosen;
}

onCard.push((article, file, row, label) => {
  if (row.error) return;
  cards.set(article, { file, row, label });
  const field = element("label", undefined, "shows"), select = element("select");
  field.append(marked("span", "text", "shows", text("shows")), select);
  article.querySelector(".said").append(field);
  select.addEventListener("change", () => {
    cards.get(article).label = select.value;
    learn();
  });
  fill(select);
});
onLanguage.push(() => { if (model.head) document.querySelectorAll("select").forEach(fill); });

// Take photographs of a new class.
async function takeClass(files) {
  const name = newName.value.trim().normalize("NFC");
  if (!name) return tell(() => text("noName"), "error");
  await model.loaded;
  const known = model.head.classes.find(each => each.toLowerCase() === name.toLowerCase());
  if ((shipped ?? model.head).classes.includes(known)) return tell(() => text("taken"), "error");
  tell(() => text("looking")(files.length));
  const rows = await model.classify(files);
  rows.forEach((row, number) => {
    const made = card(files[number], row);
    if (!row.error) cards.get(made).label = known ?? name;
    answers.prepend(made);
  });
  await learn();
}

async function download() {
  if (!globalThis.crypto?.subtle) return tell(() => text("insecure"), "error");
  const photographs = new Map();
  for (const { file, row, label } of cards.values()) {
    if (!label) continue;
    const bytes = new Uint8Array(await file.arrayBuffer()), sha256 = await digest(bytes);
    const suffix = /\.[a-z0-9]{1,5}$/.exec(file.name.toLowerCase())?.[0] ?? "";
    const about = { file: `photographs/${sha256}${suffix}`, sha256, label, answered: row.class, probability: row.probability };
    photographs.set(sha256, { bytes, about });
  }
  const listed = [...photographs.values()], about = listed.map(each => each.about);
  const labels = JSON.stringify({ version: 1, model: MODEL.digest, dataset: MODEL.dataset, photographs: about }, null, 2) + "\n";
  const files = [["labels.json", new TextEncoder().encode(labels)], ...listed.map(each => [each.about.file, each.bytes])];
  const link = Object.assign(element("a"), { href: URL.createObjectURL(zip(files)), download: "patch.zip" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);  // the browser may still be writing
}

async function digest(bytes) {
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...found].map(byte => byte.toString(16).padStart(2, "0")).join("");
}

function button(key, act) {
  const made = marked("button", "text", key, text(key));
  made.type = "button";
  made.disabled = true;
  made.addEventListener("click", act);
  return made;
}

const section = element("section"), newName = element("input"), newFiles = element("input");
const chooser = element("label", undefined, "choose");
const patchButton = button("patch", download), forgetButton = button("forget", () => {
  for (const each of cards.values()) each.label = "";
  learn();
});
section.id = "teach";
newName.id = "name";
newName.maxLength = 80;
Object.assign(newFiles, { id: "examples", type: "file", accept: "image/*", multiple: true });
chooser.append(newFiles, marked("span", "text", "newFiles", text("newFiles")));
newFiles.addEventListener("change", () => takeClass([...newFiles.files]).then(() => { newFiles.value = ""; }));
onLanguage.push(() => {
  newName.placeholder = text("newName");
  newName.setAttribute("aria-label", text("newName"));
});
const controls = [[newName, chooser], [patchButton, forgetButton]].map(each => {
  const row = element("div", undefined, "controls");
  row.append(...each);
  return row;
});
section.append(marked("h2", "text", "teach", text("teach")), marked("p", "text", "teachHow", text("teachHow")), ...controls);
if (MODEL.examples.labels.length) answers.before(section);
onLanguage.forEach(each => each());
