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
