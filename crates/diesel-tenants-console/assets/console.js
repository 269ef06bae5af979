// Saves clicks and reloading; every page works without it.
"use strict";

// A box that ticks all on the page.
const all = document.querySelector("[data-all]");
if (all) {
  const boxes = () => document.querySelectorAll("input[type=checkbox][name=tenant]");
  all.hidden = false;
  document.querySelector(`label[for="${all.id}"]`).hidden = false;
  all.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; }));
}

// A run that goes on is shown as it goes on. What comes is a piece of the page, made by the server.
const live = document.querySelector("[data-events]");
if (live) {
  const source = new EventSource(live.dataset.events);
  const show = (event) => { live.innerHTML = event.data; };
  source.addEventListener("progress", show);
  source.addEventListener("end", (event) => {
    show(event);
    source.close();
  });
}

// A second press of a button would begin the same again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});

// … but a page that is come back to starts anew.
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
});
