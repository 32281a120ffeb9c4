// Solves the puzzle of the page in a worker, shows how far it is, and goes on when it is accepted.
"use strict";

const work = document.getElementById("work");
const progress = document.getElementById("progress");
const state = document.getElementById("state");
const { seed, bits } = work.dataset;
work.hidden = false;

function say(text) {
  state.textContent = text;
}

async function hand_in(nonce) {
  const query = new URLSearchParams({ seed, nonce: String(nonce) });
  const answer = await fetch(`/.holdfast/challenge?${query}`, { credentials: "same-origin", cache: "no-store" });
  if (answer.ok) {
    progress.value = 100;
    say("Done. The page opens now.");
    location.reload();
  } else {
    say("That took too long. The page is loaded again.");
    setTimeout(() => location.reload(), 2000);
  }
}

const worker = new Worker("/.holdfast/worker.js");
worker.onmessage = ({ data }) => {
  if (data.nonce === undefined) {
    // How likely it is that it would have been found by now.
    progress.value = 100 * (1 - Math.exp(-data.tried / 2 ** Number(bits)));
  } else {
    hand_in(data.nonce).catch(() => say("The connection was lost. Load the page again when it is back."));
  }
};
worker.onerror = () => say("Your browser could not do it. Please try another one.");
worker.postMessage({ seed, bits: Number(bits) });
