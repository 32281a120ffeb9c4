// Verifies an election on this device, step by step, and says what nobody can verify from a board alone.

import { Malformed, toHex } from "../bytes.ts";
import { type ContestResult, drewLots } from "../election/count/result.ts";
import { type Record as Board, readRecord } from "../election/record.ts";
import { type Election, said } from "../election/model.ts";
import { inWords } from "../election/marking.ts";
import type { Answers } from "../election/verify/answers.ts";
import { type Found, pause } from "../election/verify/found.ts";
import type { Manifest } from "../election/verify/manifest.ts";
import { type Checked, checkElection } from "../election/verify/walk.ts";
import { ask, message } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { h, root, show } from "../page/dom.ts";
import { button, heading, paragraph, subheading, table } from "../page/form.ts";

const electionId = root().dataset["election"]!;
/** Ballots that a browser checks in some minutes. */
const BALLOTS_MAX = 5_000;
const BALLOTS = ["election/ballot", "election/open-ballot"];

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
    paragraph("This page reads the public board, checks both of its signatures, and checks on this device every entry of it, in its order."),
    paragraph(
      election.secret
        ? "These are the making of the key, every ballot and why one was refused, every token, every mix and every decryption. Then it counts what the ballots hold again, by the rule of each contest."
        : "This election was declared non-secret: anybody can read its ballots, and whoever runs the server can tell whose they are. The page checks each of them and why one was refused, and counts them again, by the rule of each contest.",
    ),
    button("Begin", () => void verify(election)),
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
    await told({ what: "Board", how: `${record.entries.length} entries add up to the root that the board signed with both its keys` });
    const ballots = record.entries.filter(({ command }) => BALLOTS.includes(command)).length;
    if (ballots > BALLOTS_MAX) {
      now.textContent = `This board holds ${ballots} ballots, more than a browser checks in reasonable time, and none of them was checked. Run ${command()} instead.`;
      return;
    }
    now.textContent = "Checking…";
    const checked = await checkElection(election, record, told);
    now.textContent = `Everything is in order, as far as the board goes: ${STAGES[checked.stage]}.`;
    if (checked.answers) now.dataset["verified"] = "yes";
    results.append(...conclusion(checked), subheading("What no page can check"), unchecked(election, record));
  } catch (error) {
    now.remove();
    steps.append(h("li", { class: "step step--bad", role: "alert" }, h("strong", {}, "Not in order"), ": ", message(error)));
  }
}

function conclusion({ decided, answers, results }: Checked): HTMLElement[] {
  if (!decided) return [];
  const title = paragraph(`The election on this board is “${said(decided.manifest.title)}”.`);
  if (!answers || !results) return [title];
  const each = results.flatMap((result, contest) => [
    counts(decided.manifest, contest, answers),
    paragraph(electedOf(decided.manifest, contest, result)),
  ]);
  return [title, subheading("What the ballots say"), ...each];
}

/** Who is elected, in words. */
function electedOf({ contests }: Manifest, contest: number, { candidates, elected, log }: ContestResult): string {
  const names = elected.map((place) => {
    const candidate = candidates[place]!;
    if ("writeIn" in candidate) return `${candidate.writeIn} (written in)`;
    const option = contests[contest]!.options.find(({ optionId }) => optionId === candidate.optionId);
    return option ? said(option.title) : candidate.optionId;
  });
  const lots = drewLots(log) ? " Lots decided between equals, as all that was voted draws them." : "";
  return names.length > 0 ? `Elected: ${names.join(", ")}.${lots}` : "Nobody is elected.";
}

function unchecked(election: Election, { checkpoint: { size, root } }: Board): HTMLElement {
  const keys = h("ul", {}, (election.board?.keys ?? []).map((key) => h("li", { class: "hash" }, h("code", {}, key))));
  const signed = h("ul", {}, h("li", { class: "hash" }, h("code", {}, `${size} entries, root ${toHex(root)}`)));
  return h("ul", { class: "govuk-list govuk-list--bullet" }, [
    h("li", {}, "Whose keys signed the board. This page has them from the server that it checks: compare them with what the officers, the trustees or other observers were shown.", keys),
    h("li", {}, "That everybody is shown the same board: compare what was signed with what others were shown.", signed),
    h("li", {}, `The program of this page, which the same server sent. Run ${command()}, or a verifier of somebody else’s.`),
  ]);
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
