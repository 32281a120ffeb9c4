// Verifies an election on this device, step by step, and says what it does not verify.

import { Malformed } from "../bytes.ts";
import { readRecord } from "../election/record.ts";
import { type Election, said } from "../election/model.ts";
import { inWords } from "../election/marking.ts";
import type { Answers } from "../election/verify/answers.ts";
import { type Found, pause } from "../election/verify/found.ts";
import type { Manifest } from "../election/verify/manifest.ts";
import { type Checked, checkElection } from "../election/verify/walk.ts";
import { ask, message } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { type Child, h, root, show } from "../page/dom.ts";
import { button, heading, paragraph, subheading, table } from "../page/form.ts";

const electionId = root().dataset["election"]!;
/** Ballots that a browser checks in some minutes. */
const BALLOTS_MAX = 5_000;

/** How far the board has come, as a reader would say it. */
const STAGES: Record<Checked["stage"], string> = {
  ceremony: "the trustees make the key",
  defined: "the key is made, and the voting has not begun",
  open: "votes are being cast",
  closed: "the voting is over, and the ballots are not mixed yet",
  mixing: "the ballots are being mixed",
  decrypting: "the ballots are mixed, and the trustees decrypt them",
  counted: "the votes are counted",
  published: "the result is published",
  abandoned: "the election was abandoned",
};

void begin(start);

async function start(): Promise<void> {
  const election = await ask<Election>(`/api/v1/public/elections/${electionId}`, { anonymous: true });
  show(
    heading("Verify this election", said(election.title)),
    paragraph("This page reads the public board and checks on this device every entry of it, in its order: the making of the key, every ballot and why one was refused, every token, every mix and every decryption, up to the answers that the ballots hold. It does not check how these answers add up to a result."),
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
    if (election.electionId !== electionId) throw new Malformed("the server shows another election than this page’s");
    const record = await readRecord(election, (read, size) => (now.textContent = `Read ${read} of ${size} entries…`));
    await told({ what: "Board", how: `${record.entries.length} entries add up to the root that the board signed` });
    const ballots = record.entries.filter(({ command }) => command === "election/ballot").length;
    if (ballots > BALLOTS_MAX) {
      now.textContent = `This board holds ${ballots} ballots, more than a browser checks in reasonable time, and none of them was checked. Run ${command()} instead.`;
      return;
    }
    now.textContent = "Checking…";
    conclude(now, results, election, await checkElection(election, record, told));
  } catch (error) {
    now.remove();
    steps.append(h("li", { class: "step step--bad", role: "alert" }, h("strong", {}, "Not in order"), ": ", message(error)));
  }
}

function conclude(now: HTMLElement, results: HTMLElement, election: Election, { stage, decided, answers }: Checked): void {
  now.textContent = `Everything that this page checks is in order, as far as the board goes: ${STAGES[stage]}.`;
  if (decided) results.append(paragraph(`The election on this board is “${said(decided.manifest.title)}”.`));
  if (decided && answers) {
    now.dataset["verified"] = "yes";
    const each = decided.manifest.contests.map((_, contest) => counts(decided.manifest, contest, answers));
    results.append(subheading("What the ballots say"), ...each);
  }
  results.append(subheading("What this page does not check"), h("ul", { class: "govuk-list govuk-list--bullet" }, unchecked(election)));
}

function unchecked(election: Election): Child[] {
  const keys = h("ul", {}, (election.board?.keys ?? []).map((key) => h("li", { class: "hash" }, h("code", {}, key))));
  return [
    h("li", {}, `How answers add up to seats and results: no count is done again here. Run ${command()}, which checks everything and counts again by every rule.`),
    h("li", {}, "The board’s second signature, ML-DSA-44: only the first, Ed25519, is checked here."),
    h("li", {}, "Whose keys these are. This page has them, and itself, from the server that it checks: compare the keys with what the officers, the trustees or other observers were shown.", keys),
  ];
}

function command(): string {
  return `holdfast verify-election ${location.origin}/api/v1/public/elections/${electionId}`;
}

/** How often each answer was given, by what was decrypted. */
function counts({ contests }: Manifest, contest: number, lists: Answers[]): HTMLElement {
  const body = contests[contest]!;
  const found = new Map<string, number>();
  for (const { answers, weight } of lists.filter((list) => list.contest === contest)) {
    for (const answer of answers) {
      const words = answer ? inWords(body, answer).join(", ") : "Not an answer";
      found.set(words, (found.get(words) ?? 0) + weight);
    }
  }
  const rows = [...found].sort((one, other) => other[1] - one[1]).map(([words, count]) => [words, count]);
  return table(said(body.title), ["Ballots that say", "How many"], rows);
}
