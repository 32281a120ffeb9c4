// Ledgers: how many entries, under which checkpoint, and a check of both on this device.

import { isIncluded, leafHash } from "../../board/tree.ts";
import { Malformed, equal, fromBase64 } from "../../bytes.ts";
import { ask, askText, message } from "../../page/api.ts";
import { h } from "../../page/dom.ts";
import { type MakeView, panel, table } from "../view.ts";
import { count, seconds } from "../words.ts";

const SAMPLES = 50;

export const ledgers: MakeView = (history) => {
  const place = h("div", {});
  const verdicts = new Map<string, HTMLElement>();
  const buttons = new Map<string, HTMLElement>();
  const element = h("div", {}, panel("Ledgers", place), h("p", { class: "quiet" }, `“Verify” reads the newest checkpoint, checks that the one seen before is its beginning, and proves ${SAMPLES} entries chosen at random, all on this device. The command holdfast verify replays everything.`));
  const tick = () => {
    if (place.contains(document.activeElement)) return;
    const rows = history.now("ledger_entries").map(({ labels, value }) => {
      const name = labels["ledger"] ?? "";
      const own = (other: Record<string, string>) => other["ledger"] === name;
      const covered = history.now("ledger_checkpoint_entries").find(({ labels }) => own(labels))?.value ?? 0;
      const rate = (family: string) => history.rate(family, own, 10) ?? 0;
      const took = rate("ledger_sync_seconds_count") > 0 ? seconds(rate("ledger_sync_seconds_sum") / rate("ledger_sync_seconds_count")) : "–";
      if (!verdicts.has(name)) {
        const verdict = h("span", { role: "status" });
        verdicts.set(name, verdict);
        buttons.set(name, h("button", { type: "button", class: "small", "data-verify": name, "aria-label": `Verify the ledger ${name}`, onclick: () => void verify(name, verdict) }, "Verify"));
      }
      return [name, count(value), count(covered), count(rate("ledger_commits_total")), took, h("span", { class: "buttons" }, buttons.get(name), verdicts.get(name))];
    });
    place.replaceChildren(table(["Ledger", "Entries", "Under a checkpoint", "Commits a second", "A sync takes", ""], rows, "There are no ledgers."));
  };
  return { element, tick };
};

interface Proven {
  entry: { index: number };
  leafBytes: string;
  inclusionProof: string[];
  checkpoint: string;
}

async function verify(name: string, told: HTMLElement): Promise<void> {
  told.className = "quiet";
  told.textContent = "Verifying…";
  try {
    const { size, root } = head(await askText(`/ledger/${name}/checkpoint`));
    const key = `checkpoint/${name}`;
    const before = JSON.parse(localStorage.getItem(key) ?? "null") as { size: number; root: string } | null;
    if (before && before.size > size) throw new Malformed(`there were ${before.size} entries before, and now there are ${size}`);
    if (before && before.size === size && before.root !== root) throw new Malformed("another root than before for as many entries");
    const indexes = Array.from({ length: Math.min(SAMPLES, size) }, () => Math.floor(Math.random() * size));
    for (const index of new Set(indexes)) {
      const proven = await ask<Proven>(`/ledger/${name}/receipts/${index}`);
      const now = head(proven.checkpoint);
      const leaf = leafHash(fromBase64(proven.leafBytes));
      const tree = { size: now.size, root: fromBase64(now.root) };
      if (proven.entry.index !== index || !isIncluded(leaf, index, tree, proven.inclusionProof.map(fromBase64))) {
        throw new Malformed(`entry ${index} is not under the checkpoint`);
      }
      if (now.size === size && !equal(fromBase64(now.root), fromBase64(root))) throw new Malformed("two roots for as many entries");
    }
    localStorage.setItem(key, JSON.stringify({ size, root }));
    told.className = "good";
    told.textContent = `In order: ${new Set(indexes).size} of ${count(size)} entries proven${before ? ", and nothing was taken back" : ""}.`;
  } catch (error) {
    told.className = "problem";
    told.textContent = message(error);
  }
}

function head(note: string): { size: number; root: string } {
  const [, size, root] = note.split("\n");
  if (!/^\d+$/.test(size ?? "") || !root) throw new Malformed("not a checkpoint");
  return { size: Number(size), root };
}
