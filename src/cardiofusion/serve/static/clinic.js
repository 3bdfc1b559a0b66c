// What pages do beyond links and forms. Everything here is a convenience: without it the forms still work.
"use strict";

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
for (const button of document.querySelectorAll("[data-replaced]")) button.hidden = true;

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A checked field says to assistive technology whether it is wrong.
document.addEventListener("htmx:afterSwap", (event) => {
  const field = event.detail.requestConfig && event.detail.requestConfig.elt;
  if (field && field.matches("[data-check]")) {
    field.setAttribute("aria-invalid", event.detail.target.textContent.trim() ? "true" : "false");
  }
});

const notice = document.querySelector("[data-failed]");
if (notice) {
  notice.textContent = sessionStorage.getItem("failed") || "";
  sessionStorage.removeItem("failed");
}

const form = document.getElementById("new");
if (form) startUploads(form);

function startUploads(form) {
  const input = form.querySelector("#files");
  const zone = form.querySelector("[data-drop]");
  const words = form.querySelector("#words").dataset;
  const chosen = form.querySelector("#chosen");

  input.addEventListener("change", () => showChosen(input.files, chosen, words));
  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
  });

  // Many files go in several requests: each is kept once it is answered, and the page can say how far it is.
  form.addEventListener("htmx:confirm", (event) => {
    if (input.files.length <= FEW) return;
    event.preventDefault();
    if (said(form)) form.querySelector("#sent-words").textContent = words.several;
    else sendMany(form, [...input.files], words);
  });
}

// Whether a number or a value is filled in.
function said(form) {
  return [...form.elements].some((field) => /^(row\.|patient_id$)/.test(field.name || "") && field.value.trim());
}

const FEW = 25; // files in one request
const AT_ONCE = 2;

function showChosen(files, list, words) {
  list.replaceChildren();
  const shown = [...files].slice(0, 8).map((file) => file.name);
  if (files.length > 8) shown.push("… " + words.chosen.replace("{n}", files.length));
  for (const name of shown) {
    const item = document.createElement("li");
    item.textContent = name;
    list.append(item);
  }
}

// Files of one record (same name, other ending) stay together; the server sorts out the rest.
function grouped(files) {
  const records = new Map();
  for (const file of files) {
    const stem = file.name.replace(/\.[^.]*$/, "");
    if (!records.has(stem)) records.set(stem, []);
    records.get(stem).push(file);
  }
  const parts = [[]];
  for (const record of records.values()) {
    if (parts[parts.length - 1].length + record.length > FEW && parts[parts.length - 1].length) parts.push([]);
    parts[parts.length - 1].push(...record);
  }
  return parts;
}

async function sendMany(form, files, words) {
  const bar = form.querySelector("#sent");
  const told = form.querySelector("#sent-words");
  const button = form.querySelector("#send");
  button.disabled = true;
  bar.hidden = false;
  bar.max = files.length;
  const begun = await fetch("/batches", { method: "POST", body: new URLSearchParams({ name: "" }) });
  if (!begun.ok) { button.disabled = false; told.textContent = words.failed.replace("{n}", files.length); return; }
  const { batch, href } = await begun.json();
  const parts = grouped(files);
  let done = 0, failed = 0;
  const sender = async () => {
    for (let part = parts.shift(); part; part = parts.shift()) {
      if (!(await sendPart(batch, part))) failed += part.length;
      done += part.length;
      bar.value = done;
      told.textContent = words.sending.replace("{done}", done).replace("{all}", files.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  if (failed) sessionStorage.setItem("failed", words.failed.replace("{n}", failed));
  window.location.assign(href);
}

async function sendPart(batch, part) {
  const body = new FormData();
  for (const file of part) body.append("files", file, file.name);
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
