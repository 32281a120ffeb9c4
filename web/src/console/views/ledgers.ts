// Ledgers: how many entries, under which checkpoint, and a check of both on this device.

import { message } from "../../page/api.ts";
import { type Child, h } from "../../page/dom.ts";
import { type Seen, checkLedger, identifiers } from "../ledger-check.ts";
import { type MakeView, panel, table } from "../view.ts";
import { count, seconds } from "../words.ts";

const SAMPLES = 50;

export const ledgers: MakeView = (history) => {
  const place = h("div", {});
  const checks = new Map<string, HTMLElement>();
  const element = h("div", {}, panel("Ledgers", place), h("p", { class: "quiet" }, `“Verify” checks both signatures under the newest checkpoint, has it proven that what this browser saw before is its beginning, and proves ${SAMPLES} entries chosen at random under checkpoints that continue each other, all on this device. It trusts the keys that the server named when this browser first asked: compare them once with what holdfast verify --print-keys says. The command holdfast verify also replays everything.`));
  let shown = "";
  const tick = () => {
    const rows = history.now("ledger_entries").map(({ labels, value }) => {
      const name = labels["ledger"] ?? "";
      const own = (other: Record<string, string>) => other["ledger"] === name;
      const covered = history.now("ledger_checkpoint_entries").find(({ labels }) => own(labels))?.value ?? 0;
      const rate = (family: string) => history.rate(family, own, 10) ?? 0;
      const took = rate("ledger_sync_seconds_count") > 0 ? seconds(rate("ledger_sync_seconds_sum") / rate("ledger_sync_seconds_count")) : "–";
      if (!checks.has(name)) {
        const verdict = h("span", { role: "status" });
        const button = h("button", { type: "button", class: "small", "data-verify": name, "aria-label": `Verify the ledger ${name}`, onclick: () => void verify(name, verdict) }, "Verify");
        checks.set(name, h("span", { class: "buttons" }, button, verdict));
      }
      return [name, count(value), count(covered), count(rate("ledger_commits_total")), took, checks.get(name)];
    });
    // Rows stay where they are, so that a button keeps the keyboard's focus while the numbers beside it change.
    const names = JSON.stringify(rows.map(([name]) => name));
    if (names === shown) rows.forEach((row, at) => renew(place.querySelectorAll("tbody tr")[at], row));
    else place.replaceChildren(table(["Ledger", "Entries", "Under a checkpoint", "Commits a second", "A sync takes", ""], rows, "There are no ledgers."));
    shown = names;
  };
  return { element, tick };
};

/** Writes the numbers of a row anew. */
function renew(row: Element | undefined, cells: Child[]): void {
  cells.forEach((cell, at) => {
    const shown = row?.children[at];
    if (shown && typeof cell === "string" && shown.textContent !== cell) shown.textContent = cell;
  });
}

async function verify(name: string, told: HTMLElement): Promise<void> {
  told.className = "quiet";
  told.textContent = "Verifying…";
  try {
    const key = `ledger/${name}`;
    const before = JSON.parse(localStorage.getItem(key) ?? "null") as Seen | null;
    const { proven, seen } = await checkLedger(name, before, SAMPLES);
    localStorage.setItem(key, JSON.stringify(seen));
    const keys = identifiers(seen.keys).join(" and ");
    const since = before ? `The ${count(before.size)} entries seen here before are its beginning.` : "This browser saw it for the first time: what is taken back from now on is noticed here.";
    told.className = "good";
    told.textContent = `In order: ${proven} of ${count(seen.size)} entries proven. Signed with Ed25519 and ML-DSA-44, keys ${keys}. ${since}`;
  } catch (error) {
    told.className = "problem";
    told.textContent = message(error);
  }
}
