// Sending ECGs: files or whole folders, chosen or dropped; many of them in several requests. Without this a form
// still sends what was chosen.
"use strict";

const FEW = 25; // files in one request
const AT_ONCE = 2; // requests
const SHOWN = 8; // names
const NOT_SENT = /^(\..*|thumbs\.db|desktop\.ini)$/i; // what systems put into folders by themselves

for (const form of document.querySelectorAll("[data-uploads]")) startUploads(form);

// A file with its path below what was chosen: files of different folders are different recordings.
function startUploads(form) {
  const input = form.querySelector("#files");
  const folder = form.querySelector("#folder");
  const zone = form.querySelector("[data-drop]");
  const told = form.querySelector("#sent-words");
  const words = form.querySelector("#words").dataset;
  let chosen = [];
  let drops = 0;
  form.hidden = false;
  folder.closest("[data-folder]").hidden = !("webkitdirectory" in folder);

  const choose = (found) => { chosen = found; showChosen(found, form.querySelector("#chosen"), words); };
  const chooseFolder = (found) => {
    input.files = held(found.length <= FEW ? found : []);
    choose(found);
    if (!found.length) told.textContent = words.nothing;
  };
  input.addEventListener("change", () => {
    drops += 1; // what is still walked is not wanted any more
    form.querySelector("#send").disabled = false;
    choose([...input.files].map((file) => ({ file, path: file.name })));
  });
  folder.addEventListener("change", () => {
    drops += 1;
    const found = [...folder.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
    folder.value = ""; // else its files would be sent twice
    told.textContent = "";
    chooseFolder(byName(found.filter(({ file }) => !NOT_SENT.test(file.name)), ({ path }) => path));
  });

  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  // A file that misses the zone would open in place of the page, and of what was typed.
  const ofFiles = (event) => [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (zone.contains(event.target) || !ofFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  });
  document.addEventListener("drop", (event) => { if (ofFiles(event)) event.preventDefault(); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (form.dataset.sending) return; // a batch is on its way, and the page with it
    const turn = (drops += 1);
    const { entries, none } = entriesOf(event.dataTransfer); // now: after this event they are gone
    told.textContent = "";
    if (!entries.some((entry) => entry.isDirectory)) {
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change"));
      return;
    }
    const button = form.querySelector("#send");
    button.disabled = true;
    const counting = (n) => { if (turn === drops) told.textContent = words.reading.replace("{n}", n); };
    const { found, lost } = await walked(entries, counting, () => turn === drops);
    if (turn !== drops) return; // something else was dropped meanwhile
    button.disabled = false;
    told.textContent = lost + none ? words.lost.replace("{n}", lost + none) : "";
    chooseFolder(found);
  });

  const sends = (event) => {
    event.preventDefault();
    if (said(form)) told.textContent = words.several;
    else if (chosen.length) sendMany(form, chosen, words);
  };
  form.addEventListener("htmx:confirm", (event) => {
    if (event.target === form && (chosen.length > FEW || foldersOf(chosen) > 1)) sends(event);
  });
  if (form.dataset.batch) form.addEventListener("submit", sends);
}

// Whether a number or a value is filled in.
function said(form) {
  return [...form.elements].some((field) => /^(row\.|patient_id$)/.test(field.name || "") && field.value.trim());
}

function foldersOf(chosen) {
  return new Set(chosen.map(({ path }) => path.slice(0, path.lastIndexOf("/") + 1))).size;
}

// Files as what a file input can hold.
function held(found) {
  const kept = new DataTransfer();
  for (const { file } of found) kept.items.add(file);
  return kept.files;
}

function showChosen(found, list, words) {
  list.replaceChildren();
  const shown = found.slice(0, SHOWN).map(({ path }) => path);
  if (found.length > SHOWN) shown.push("… " + words.chosen.replace("{n}", found.length));
  for (const name of shown) {
    const item = document.createElement("li");
    item.textContent = name;
    list.append(item);
  }
}

// What was dropped, as files and folders (File and Directory Entries API); how many are none, for they have gone.
function entriesOf(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  return { entries, none: items.length - entries.length };
}

// Every file below what was dropped, in that order, a folder's by name; how many could not be read. A few at a time,
// and each waits for the browser: the page stays usable.
async function walked(entries, counting, wanted) {
  const found = [];
  let lost = 0;
  const waiting = [...entries].reverse();
  while (waiting.length && wanted()) {
    const next = waiting.pop();
    if (next.isDirectory) {
      const { inside, broken } = await insideOf(next);
      lost += broken;
      for (const entry of inside.reverse()) waiting.push(entry);
      continue;
    }
    const files = [next];
    while (files.length < FEW && waiting.length && waiting[waiting.length - 1].isFile) files.push(waiting.pop());
    for (const one of await Promise.all(files.map(fileOf))) {
      if (one) found.push(one);
      else lost += 1;
    }
    counting(found.length);
  }
  return { found, lost };
}

function fileOf(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  return new Promise((done) => entry.file((file) => done({ file, path }), () => done(null)));
}

// A folder's entries by name; a browser tells them a hundred at a time, until it has none.
async function insideOf(folder) {
  const reader = folder.createReader();
  const inside = [];
  try {
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) break;
      for (const entry of some) if (!NOT_SENT.test(entry.name)) inside.push(entry);
    }
  } catch {
    return { inside: byName(inside, ({ name }) => name), broken: 1 };
  }
  return { inside: byName(inside, ({ name }) => name), broken: 0 };
}

function byName(entries, name) {
  const order = new Intl.Collator("en", { numeric: true });
  return entries.sort((a, b) => order.compare(name(a), name(b)));
}

// Files of one record (same folder and name, other ending) stay together; the server sorts out the rest.
function grouped(chosen) {
  const records = new Map();
  for (const one of chosen) {
    const stem = one.path.replace(/\.[^./]*$/, "");
    if (!records.has(stem)) records.set(stem, []);
    records.get(stem).push(one);
  }
  const parts = [[]];
  for (const record of records.values()) {
    if (parts[parts.length - 1].length + record.length > FEW && parts[parts.length - 1].length) parts.push([]);
    parts[parts.length - 1].push(...record);
  }
  return parts;
}

// Each file is kept once its request is answered, and the page can say how far it is.
async function sendMany(form, chosen, words) {
  const bar = form.querySelector("#sent");
  const told = form.querySelector("#sent-words");
  const button = form.querySelector("#send");
  button.disabled = true;
  form.dataset.sending = "yes";
  bar.hidden = false;
  bar.max = chosen.length;
  const into = await batchOf(form);
  if (!into) { button.disabled = false; delete form.dataset.sending; told.textContent = words.failed.replace("{n}", chosen.length); return; }
  const parts = grouped(chosen);
  let done = 0, failed = 0;
  const sender = async () => {
    for (let part = parts.shift(); part; part = parts.shift()) {
      if (!(await sendPart(into.batch, part))) failed += part.length;
      done += part.length;
      bar.value = done;
      told.textContent = words.sending.replace("{done}", done).replace("{all}", chosen.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  if (failed) sessionStorage.setItem("failed", words.failed.replace("{n}", failed));
  window.location.assign(into.href);
}

// The batch of this page, else a new one; null where the server does not answer.
async function batchOf(form) {
  const batch = form.dataset.batch;
  if (batch) return { batch, href: `/batches/${batch}` };
  try {
    const begun = await fetch("/batches", { method: "POST", body: new URLSearchParams({ name: "" }) });
    return begun.ok ? await begun.json() : null;
  } catch { return null; }
}

async function sendPart(batch, part) {
  const body = new FormData();
  for (const { file, path } of part) body.append("files", file, path);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      const answer = await fetch(`/batches/${batch}/files`, { method: "POST", body, headers: attempt ? { "X-Repeated": String(attempt) } : {} });
      if (answer.ok) return true;
      if (answer.status !== 429 && answer.status < 500) return false;
    } catch { /* the network of this machine: try again */ }
    await new Promise((resolve) => setTimeout(resolve, 500 * (attempt + 1)));
  }
  return false;
}
