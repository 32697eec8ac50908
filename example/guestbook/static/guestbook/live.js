"use strict";
// Shows live what the commands have done: asks once a second for what can still change on this page, while
// something is going on and the page is visible. Without this script the page is the same after each reload.

const PAUSE = 1000; // milliseconds
let timer = 0;
let asking = false;

const find = (id, inside = document) => inside.querySelector(`#${id}`);

function put(next, current) {
  if (!next.isEqualNode(current)) current.replaceWith(next);
}

function putCard(card) {
  const current = document.getElementById(card.id);
  if (current) return put(card, current);
  const later = [...find("cards").children].find((other) => Number(other.dataset.id) > Number(card.dataset.id));
  find("cards").insertBefore(card, later ?? null);
}

function show(answer) {
  for (const id of ["progress", "count", "pages"]) put(find(id, answer), find(id));
  const cards = [...find("cards", answer).querySelectorAll(".card")];
  if (cards.length) document.querySelector(".empty")?.remove();
  cards.forEach(putCard);
}

async function ask() {
  const settled = [...document.querySelectorAll(".card[data-settled]")].map((card) => card.dataset.id);
  const address = new URL("/live/", location.href);
  address.searchParams.set("page", new URLSearchParams(location.search).get("page") ?? "1");
  address.searchParams.set("settled", settled.join(","));
  const response = await fetch(address);
  if (!response.ok) throw new Error(`The site answered with ${response.status}.`);
  show(new DOMParser().parseFromString(await response.text(), "text/html"));
}

async function look() {
  clearTimeout(timer);
  if (asking) return;
  asking = true;
  try {
    await ask();
  } catch {
    return ended();
  } finally {
    asking = false;
  }
  again();
}

function again() {
  if ("going" in find("progress").dataset && !document.hidden) timer = setTimeout(look, PAUSE);
}

function ended() {
  delete find("progress").dataset.going;
  const phase = document.querySelector(".phase");
  if (phase) phase.textContent = "The site is closed. Start the example with --serve to keep it open.";
}

document.documentElement.classList.add("live");
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
again();
