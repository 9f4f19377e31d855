"use strict";
// What a person sees. The model is `model`: `known()` returns what it is called in Chinese, and which note stands above;
// `classify(files)` returns a row for each file, as /predict does; `loaded` is a promise where it takes a while to load.

const answers = document.getElementById("answers"), status_ = document.getElementById("status");
const drop = document.getElementById("drop"), input = document.getElementById("files");
const percent = share => (100 * share).toFixed(share < 0.1 ? 1 : 0) + " %";

const TEXTS = {
  en: {
    title: "What is it?",
    choose: "Choose photographs", drop: ", drop them here, or paste one",
    phone: "On a phone this opens the camera or your pictures.",
    kept: "Photographs whose answer is not sure are kept, for labelling.", forgotten: "Nothing that you show here is kept.",
    local: "Everything is computed on this device. No photograph leaves it.",
    loading: "The model is being loaded ...",
    unreadable: "This cannot be read", unsure: "not sure", answers: "Answers",
    looking: count => count === 1 ? "Looking at it ..." : `Looking at ${count} photographs ...`,
    several: count => `${count} answers.`, failed: "This cannot be read.", away: "The server cannot be reached.",
    one: (name, share, unsure) => `${name}, ${share}${unsure ? ", not sure" : ""}.`,
  },
  zh: {
    title: "这是什么垃圾？",
    choose: "选择照片", drop: "，拖放到这里，或直接粘贴",
    phone: "在手机上可以拍照或从相册中选择。",
    kept: "结果不确定的照片会被保存，用于标注。", forgotten: "您上传的照片不会被保存。",
    local: "全部计算在本设备上完成，照片不会离开设备。",
    loading: "正在加载模型……",
    unreadable: "无法读取", unsure: "不确定", answers: "识别结果",
    looking: count => count === 1 ? "正在识别……" : `正在识别 ${count} 张照片……`,
    several: count => `共 ${count} 个结果。`, failed: "无法读取这张照片。", away: "无法连接服务器。",
    one: (name, share, unsure) => `${name}，${share}${unsure ? "，不确定" : ""}。`,
  },
};
const KEPT = "garbage-language";
let language = "en", names = { classes: {}, bins: {}, note: null }, telling = () => "";
const onCard = [], onLanguage = [];  // what other scripts add to an answer, and do when another language is spoken

// A problem that is said in the language of the page.
class Problem extends Error {
  constructor(key) {
    super(key);
    this.key = key;
  }
}

const text = key => TEXTS[language][key];
const className = name => language === "zh" && names.classes[name.toLowerCase()] || name;
const binName = bin => language === "zh" && names.bins[bin] || bin;

function element(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function marked(tag, mark, value, shown, kind) {
  const made = element(tag, shown, kind);
  made.dataset[mark] = value;
  return made;
}

function remembered() {
  try { return localStorage.getItem(KEPT); } catch { return null; }  // the browser may forbid it
}

function speak(chosen, remember) {
  language = chosen;
  if (remember) try { localStorage.setItem(KEPT, chosen); } catch { /* spoken until the page is left */ }
  document.documentElement.lang = chosen === "zh" ? "zh-Hans" : "en";
  document.title = text("title");
  answers.setAttribute("aria-label", text("answers"));
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", button.dataset.language === chosen);
  document.querySelectorAll("[data-text]").forEach(each => { each.textContent = text(each.dataset.text); });
  document.querySelectorAll("[data-class]").forEach(each => { each.textContent = className(each.dataset.class); });
  document.querySelectorAll("[data-bin]").forEach(each => { each.textContent = binName(each.dataset.bin); });
  if (names.note) document.getElementById("kept").textContent = text(names.note);
  onLanguage.forEach(each => each());
  status_.textContent = telling();
}

function tell(said, kind = "") {
  telling = said;
  status_.className = kind;
  status_.textContent = telling();
}

function bars(top) {
  const table = element("table");
  for (const [name, share] of top) {
    const row = table.insertRow(), head = marked("th", "class", name, className(name));
    head.scope = "row";
    row.append(head);
    const bar = element("span");
    bar.style.width = 100 * share + "%";
    row.insertCell().append(bar);
    const number = row.insertCell();
    number.className = "number";
    number.textContent = percent(share);
  }
  return table;
}

function said(row) {
  const made = element("div", undefined, "answer");
  made.append(marked("h2", "class", row.class, className(row.class)));
  if (row.bin) made.append(marked("span", "bin", row.bin, binName(row.bin), "bin " + row.bin));
  if (!row.sure) made.append(marked("span", "text", "unsure", text("unsure"), "unsure"));
  made.append(bars(row.top));
  return made;
}

function card(file, row) {
  const article = element("article"), column = element("div", undefined, "said");
  if (row.error) {
    column.append(marked("h2", "text", "unreadable", text("unreadable"), "error"), element("div", row.error));
  } else {
    const picture = element("img");
    picture.src = URL.createObjectURL(file);
    picture.alt = "";
    article.append(picture);
    column.append(said(row));
  }
  column.append(element("div", file.name, "name"));
  article.append(column);
  onCard.forEach(each => each(article, file, row));
  return article;
}

async function ask(files) {
  if (!files.length) return;
  tell(() => text("looking")(files.length));
  try {
    const rows = await model.classify(files);
    rows.map((row, number) => card(files[number], row)).reverse().forEach(each => answers.prepend(each));
    const first = rows[0];
    tell(() => files.length > 1 ? text("several")(files.length)
      : first.error ? text("failed") : text("one")(className(first.class), percent(first.probability), !first.sure));
  } catch (error) {
    tell(() => error.key ? text(error.key) : error.message, "error");
  }
}

async function load() {
  const loading = () => text("loading");
  tell(loading);
  try {
    await model.loaded;
    if (telling === loading) tell(() => "");
  } catch (error) {
    tell(() => error.message, "error");
  }
}

for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => speak(button.dataset.language, true));
speak(remembered() || (navigator.language.startsWith("zh") ? "zh" : "en"), false);
model.known().then(known => { names = known; speak(language, false); });
if (model.loaded) load();
input.addEventListener("change", () => { ask([...input.files]).then(() => { input.value = ""; }); });
document.addEventListener("dragover", event => { event.preventDefault(); drop.classList.add("over"); });
document.addEventListener("dragleave", () => drop.classList.remove("over"));
document.addEventListener("drop", event => {
  event.preventDefault();
  drop.classList.remove("over");
  ask([...event.dataTransfer.files]);
});
document.addEventListener("paste", event => ask([...event.clipboardData.files]));
