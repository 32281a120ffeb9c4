// Verifies a whole election on this device, step by step.

import { readRecord } from "../election/record.ts";
import { type Election, said } from "../election/model.ts";
import { inWords } from "../election/marking.ts";
import { type Found, Verifier, pause } from "../election/verify.ts";
import type { Answer } from "../mixnet/contest.ts";
import { ask, message } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { h, root, show } from "../page/dom.ts";
import { button, heading, paragraph, subheading, table } from "../page/form.ts";

const electionId = root().dataset["election"]!;
/** Ballots that a browser checks in some minutes. */
const BALLOTS_MAX = 5_000;

void begin(start);

async function start(): Promise<void> {
  const election = await ask<Election>(`/api/v1/public/elections/${electionId}`, { anonymous: true });
  show(
    heading("Verify this election", said(election.title)),
    paragraph("This page reads the public board and checks everything on this device: every signature, every proof, every mix and every decryption. It believes nothing that the server says beside it."),
    election.secret
      ? button("Begin", () => void verify(election))
      : paragraph("This election was declared non-secret: its ballots are open, and holdfast verify-election checks them."),
  );
}

async function verify(election: Election): Promise<void> {
  const steps = h("ol", { class: "steps" });
  const now = h("p", { class: "govuk-body", role: "status" }, "Reading the board…");
  const results = h("div", {});
  show(heading("Verifying", said(election.title)), now, steps, results);
  const told = async ({ what, how }: Found) => {
    steps.append(h("li", { class: "step step--good" }, h("strong", {}, what), ": ", how));
    await pause();
  };
  try {
    const record = await readRecord(election, (read, size) => (now.textContent = `Read ${read} of ${size} entries…`));
    await told({ what: "Board", how: `${record.entries.length} entries add up to the root that the board signed` });
    const ballots = record.entries.filter(({ command }) => command === "election/ballot").length;
    if (ballots > BALLOTS_MAX) {
      now.textContent = `This board holds ${ballots} ballots, more than a browser checks in reasonable time. Run holdfast verify-election ${location.origin}/api/v1/public/elections/${electionId} instead.`;
      return;
    }
    now.textContent = "Checking…";
    const verifier = new Verifier(election, record, told);
    await verifier.definition(election);
    const counting = await verifier.ballots();
    if (!["decrypting", "counted", "published"].includes(election.state)) {
      now.textContent = "Everything that is on the board so far is in order.";
      return;
    }
    await verifier.tokens(counting);
    const lists = await verifier.mixes(counting);
    if (election.state === "decrypting") {
      now.textContent = "Everything that is on the board so far is in order.";
      return;
    }
    const answers = await verifier.decryptions(lists);
    now.textContent = "Everything is in order.";
    now.dataset["verified"] = "yes";
    results.append(subheading("What the ballots say"), ...election.contests.map((_, at) => counts(election, at, answers[at]!)));
  } catch (error) {
    now.remove();
    steps.append(h("li", { class: "step step--bad", role: "alert" }, h("strong", {}, "Not in order"), ": ", message(error)));
  }
}

/** How often each option was marked, counted on this device. */
function counts(election: Election, at: number, lists: { answers: (Answer | null)[]; weight: number }[]): HTMLElement {
  const body = election.contests[at]!;
  const found = new Map<string, number>();
  for (const { answers, weight } of lists) {
    for (const answer of answers) {
      const words = answer ? inWords(body, answer).join(", ") : "Not an answer";
      found.set(words, (found.get(words) ?? 0) + weight);
    }
  }
  const rows = [...found].sort((one, other) => other[1] - one[1]).map(([words, count]) => [words, count]);
  return table(said(body.title), ["Ballots that say", "How many"], rows);
}
