// The booth: sign in, mark, check, lock, then cast the ballot or open it to see that the booth is honest.

import { keyIsElsewhere, keyIsHere, LINKED, saveKey } from "../booth/key.ts";
import { notEligible, notOpen } from "../booth/closed.ts";
import { signedInAs } from "../booth/leaving.ts";
import { received } from "../booth/received.ts";
import type { Sitting } from "../booth/sitting.ts";
import { checkAgrees } from "../election/agreement.ts";
import { opened } from "../election/audit.ts";
import { type Sealed, seal, submit } from "../election/ballot.ts";
import { shown } from "../election/bindings.ts";
import { readDefined } from "../election/defined.ts";
import { takeSequence } from "../election/kept-right.ts";
import { described, inWords, markFields, marksFrom } from "../election/marking.ts";
import { type ContestBody, type Election, type Texts, contestOf, said } from "../election/model.ts";
import type { Receipt } from "../election/receipt.ts";
import { refusing } from "../election/refusal.ts";
import { ElsewhereError, type Right, rightTo } from "../election/right.ts";
import { whichElection } from "../election/which.ts";
import { type Answer, type Marks, NoAnswer, check } from "../mixnet/contest.ts";
import { ask } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { h, root, show } from "../page/dom.ts";
import {
  Invalid,
  busy,
  button,
  details,
  download,
  form,
  heading,
  inset,
  link,
  paragraph,
  summaryList,
  tell,
  warning,
} from "../page/form.ts";
import { signedIn } from "../page/sign-in.ts";
import { moment } from "../page/words.ts";

const electionId = root().dataset["election"]!;
const path = `/api/v1/elections/${electionId}`;
const answers = new Map<number, Answer>();

void begin(start);

async function start(): Promise<void> {
  const election = await ask<Election>(path, { anonymous: true });
  if (election.state === "open") await enter(election);
  else notOpen(election, () => void begin(() => enter(election)));
}

/** Lets a voter in. What they vote on is what the board says, asked for before the server knows who asks. */
async function enter(election: Election): Promise<void> {
  await refusing(electionId, async () => {
    const defined = await readDefined(election);
    checkAgrees(election, defined);
    const personId = await signedIn("Sign in so that we can see that you may vote. Your ballot is sent without your name.");
    const own = await ask<Election>(path);
    checkAgrees(own, defined);
    if (!own.you?.eligible) return notEligible(own);
    const sitting = { defined, holder: { electionId, personId }, right: undefined };
    if (defined.manifest.secret) await admit(sitting, own.state === "open");
    else mark(sitting, 0);
  });
}

async function admit(sitting: Sitting, open: boolean): Promise<void> {
  let right: Right;
  try {
    right = await rightTo(sitting.defined, sitting.holder);
  } catch (error) {
    if (!(error instanceof ElsewhereError)) throw error;
    return keyIsElsewhere(sitting, error, () => begin(() => refusing(electionId, () => admit(sitting, open))));
  }
  answers.clear();
  if (open) welcome({ ...sitting, right }, right);
  else keyIsHere({ ...sitting, right });
}

function welcome(sitting: Sitting, right: Right): void {
  const { title, description, contests, closesAt } = sitting.defined.manifest;
  const [count, again] = [contests.length, () => welcome(sitting, right)];
  show(
    heading(said(title), "Vote"),
    description && paragraph(said(description)),
    languages(title, again),
    h(
      "ol",
      { class: "govuk-list govuk-list--number" },
      h("li", {}, `Answer ${count === 1 ? "one question" : `${count} questions`}.`),
      h("li", {}, "Your answers are encrypted on this device, and locked with a tracking code."),
      h("li", {}, "Cast your ballot, or open it first to check that this page is honest."),
    ),
    closesAt && inset(`Voting ends on ${moment(closesAt)}. Until then you can vote again: the ballot that you lock last counts.`),
    right.weight !== 1 && paragraph(`Your ballot has a weight of ${right.weight}.`),
    right.fresh && paragraph(`You got your voting key just now. ${LINKED} To avoid that, come back later or over another connection.`),
    button("Start", () => mark(sitting, 0)),
    whichElection(sitting.defined),
    saveKey(sitting),
    signedInAs(sitting, again),
  );
}

function languages(title: Texts, again: () => void): HTMLElement | null {
  const all = Object.keys(title);
  if (all.length < 2) return null;
  const name = (tag: string) => new Intl.DisplayNames([tag], { type: "language" }).of(tag) ?? tag;
  const choose = (tag: string) => {
    sessionStorage.setItem("language", tag);
    again();
  };
  const items = all.map((tag) =>
    h("li", {}, h("button", { type: "button", class: "link-button govuk-link", lang: tag, onclick: () => choose(tag) }, name(tag))),
  );
  return h("nav", { "aria-label": "Language of the ballot" }, h("ul", { class: "languages" }, items));
}

function mark(sitting: Sitting, at: number, back?: () => void): void {
  const { contests, title } = sitting.defined.manifest;
  const body = contests[at]!;
  const [count, next] = [contests.length, at + 1];
  show(
    at > 0 && !back && h("p", {}, h("a", { class: "govuk-back-link", href: "#", onclick: (event) => {
      event.preventDefault();
      mark(sitting, at - 1);
    } }, "Back")),
    h("span", { class: "govuk-caption-l" }, count === 1 ? said(title) : `Question ${next} of ${count}`),
    form(
      "Continue",
      (values) => {
        const answer = read(body, values);
        answers.set(at, answer);
        if (back) back();
        else if (next < count) mark(sitting, next);
        else review(sitting);
      },
      markFields(body, answers.get(at)),
    ),
  );
}

function read(body: ContestBody, values: FormData): Answer {
  const answer = marksFrom(body, values);
  try {
    check(contestOf(body), answer);
  } catch (error) {
    if (error instanceof NoAnswer) throw new Invalid("marks", described(body, error));
    throw error;
  }
  return answer;
}

function review(sitting: Sitting): void {
  const { contests, title } = sitting.defined.manifest;
  const all = contests.map((_, at) => answers.get(at)!);
  const blank = all.every(({ marks }) => isBlank(marks));
  const { right } = sitting;
  show(
    heading("Check your answers", said(title)),
    summaryList(
      contests.map((body, at) => ({
        key: said(body.title),
        value: inWords(body, all[at]!).map((line) => h("div", {}, line)),
        action: { text: "Change", about: said(body.title), onclick: () => mark(sitting, at, () => review(sitting)) },
      })),
    ),
    blank && inset("You have not marked anything: your ballot will be blank."),
    right
      ? [
          paragraph("Next your ballot is encrypted and locked on this device. Nothing is sent yet."),
          form("Lock my ballot", () => {
            const sequence = takeSequence(sitting.holder);
            locked(sitting, right, seal(sitting.defined, right, sequence, all));
          }),
        ]
      : [
          warning("This election is declared non-secret: whoever runs the server can tell how you voted, and the answers stand on the public board at once."),
          form("Cast my ballot", () => castOpenly(sitting, all)),
        ],
    !right && whichElection(sitting.defined),
  );
}

function isBlank(marks: Marks): boolean {
  return Object.values(marks as Record<string, unknown>).every((mark) =>
    Array.isArray(mark) ? mark.every((each) => each === null || each === false) : mark === null,
  );
}

function locked(sitting: Sitting, right: Right, sealed: Sealed): void {
  const cast = button("Cast this ballot", () =>
    void busy(cast, async () => {
      try {
        received(sitting, await submit(sealed, right), sealed.tracker);
      } catch (error) {
        tell(error);
      }
    }),
  );
  show(
    heading("Your ballot is locked", said(sitting.defined.manifest.title)),
    paragraph("This is its tracking code. It cannot be changed any more, and it does not show how you voted:"),
    code(sealed.tracker),
    h("div", { class: "govuk-button-group" }, cast, button("Open it instead, to check this page", () => audit(sitting, sealed), "secondary")),
    details(
      "Why would I open it?",
      paragraph(
        "A dishonest page could encrypt something else than you marked. It cannot know beforehand whether you will cast or open a locked ballot. Note the code, open the ballot, and let another device tell you what was in it. A ballot that was opened is never cast: you lock a new one afterwards, and can do this as often as you like.",
      ),
    ),
  );
}

function code(tracker: string): HTMLElement {
  return h("p", { class: "tracker", "data-tracker": tracker }, shown(tracker));
}

function audit(sitting: Sitting, sealed: Sealed): void {
  const text = JSON.stringify(opened(sealed), null, 1);
  show(
    heading("Your ballot is open", said(sitting.defined.manifest.title)),
    warning("This ballot will not be cast. You have not voted yet."),
    paragraph("Its tracking code was:"),
    code(sealed.tracker),
    h(
      "ol",
      { class: "govuk-list govuk-list--number" },
      h("li", {}, download(text, "opened-ballot.json", "Save the opened ballot"), " or copy it below."),
      h("li", {}, "On a device that you trust, open ", link(`/elections/${electionId}/check`, "Check an opened ballot"), "."),
      h("li", {}, "See that it tells the same tracking code, and the answers that you had marked."),
    ),
    details("The opened ballot", h("textarea", { class: "govuk-textarea", rows: 10, readonly: true, id: "opened", "aria-label": "The opened ballot" }, text)),
    button("Go on to vote", () => review(sitting)),
  );
}

async function castOpenly(sitting: Sitting, all: Answer[]): Promise<void> {
  const { token } = await ask<{ token: string }>("/api/v1/voting/token", { method: "POST", body: { electionId } });
  const selections = sitting.defined.manifest.contests.flatMap((body, at) => selectionsOf(body, all[at]!));
  const receipt = await ask<Receipt>("/api/v1/voting/submit", {
    method: "POST",
    anonymous: true,
    body: { electionId, token, selections },
  });
  received(sitting, receipt);
}

/** The original body's selections. */
function selectionsOf(body: ContestBody, { marks, ...answer }: Answer): object[] {
  const { contestId } = body;
  const option = (at: number) =>
    at < body.options.length ? { optionId: body.options[at]!.optionId } : { writeIn: answer["write-in"] };
  if ("plurality" in marks) return marks.plurality === null ? [] : [{ contestId, ...option(marks.plurality) }];
  if ("approval" in marks) return marks.approval.flatMap((yes, at) => (yes ? [{ contestId, ...option(at) }] : []));
  if ("score" in marks) {
    return marks.score.flatMap((score, at) => (score === null ? [] : [{ contestId, ...option(at), score }]));
  }
  return marks.ranked.flatMap((rank, at) => (rank === null ? [] : [{ contestId, ...option(at), rank }]));
}
