// The booth: sign in, mark, check, lock, then cast the ballot or open it to see that the booth is honest.

import { type Answer, type Marks, NoAnswer, check } from "../mixnet/contest.ts";
import { type Receipt, type Sealed, seal, submit } from "../election/ballot.ts";
import { opened } from "../election/audit.ts";
import { shown } from "../election/bindings.ts";
import { type ContestBody, type Election, contestOf, said } from "../election/model.ts";
import { ElsewhereError, type Right, exported, imported, rightTo } from "../election/right.ts";
import { described, inWords, markFields, marksFrom } from "../election/marking.ts";
import { ask } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { h, root, show } from "../page/dom.ts";
import {
  Invalid,
  busy,
  button,
  details,
  download,
  fileField,
  fileOf,
  form,
  heading,
  inset,
  link,
  panel,
  paragraph,
  subheading,
  summaryList,
  tell,
  warning,
} from "../page/form.ts";
import { signedIn } from "../page/sign-in.ts";
import { moment } from "../page/words.ts";

const electionId = root().dataset["election"]!;
const answers = new Map<number, Answer>();

void begin(start);

async function start(): Promise<void> {
  const election = await ask<Election>(`/api/v1/elections/${electionId}`, { anonymous: true });
  if (election.state !== "open") return notOpen(election);
  await signedIn("Sign in so that we can see that you may vote. Your ballot is sent without your name.");
  const own = await ask<Election>(`/api/v1/elections/${electionId}`);
  if (!own.you?.eligible) return notEligible(own);
  if (own.secret) await admit(own);
  else mark(own, 0);
}

function notOpen(election: Election): void {
  const over = !["draft", "ceremony", "ready"].includes(election.state);
  show(
    heading(over ? "Voting is over" : "Voting has not begun", said(election.title)),
    paragraph(
      over
        ? "No more ballots are taken in this election."
        : election.opensAt
          ? `Voting begins on ${moment(election.opensAt)}.`
          : "It will be announced when voting begins.",
    ),
    paragraph(link(`/elections/${electionId}`, "See this election")),
  );
}

function notEligible(election: Election): void {
  show(
    heading("You are not on the roll", said(election.title)),
    paragraph("Your name is not on this election’s roll of voters. If you think that it should be, ask its officers."),
    paragraph(link(`/elections/${electionId}`, "See this election")),
  );
}

async function admit(election: Election): Promise<void> {
  let right: Right;
  try {
    right = await rightTo(election);
  } catch (error) {
    if (error instanceof ElsewhereError) return elsewhere(election);
    throw error;
  }
  answers.clear();
  welcome(election, right);
}

function elsewhere(election: Election): void {
  show(
    heading("Your voting key is on another device", said(election.title)),
    paragraph(
      "You began to vote with another device or browser. Your voting key was made there, and only there: nobody else has it, not even this server. Vote from there, or bring the key file that you saved.",
    ),
    form(
      "Use this key file",
      async (values) => {
        const text = await fileOf(values, "key-file");
        if (text === null) throw new Invalid("key-file", "Choose the file with your voting key");
        imported(text, election.electionId);
        await admit(election);
      },
      fileField({ id: "key-file", label: "Voting key file" }),
    ),
  );
}

function welcome(election: Election, right: Right): void {
  const count = election.contests.length;
  show(
    heading(said(election.title), "Vote"),
    election.description && paragraph(said(election.description)),
    languages(election, () => welcome(election, right)),
    h(
      "ol",
      { class: "govuk-list govuk-list--number" },
      h("li", {}, `Answer ${count === 1 ? "one question" : `${count} questions`}.`),
      h("li", {}, "Your answers are encrypted on this device, and locked with a tracking code."),
      h("li", {}, "Cast your ballot, or open it first to check that this page is honest."),
    ),
    election.closesAt && inset(`Voting ends on ${moment(election.closesAt)}. Until then you can vote again: your last ballot counts.`),
    right.weight !== 1 && paragraph(`Your ballot has a weight of ${right.weight}.`),
    button("Start", () => mark(election, 0, right)),
    details(
      "Save your voting key",
      paragraph(
        "Your voting key was made in this browser and is kept here until you clear its data. Save it to a file if you may want to vote again from another device. Whoever has the file can vote in your place.",
      ),
      paragraph(download(exported(election.electionId), "voting-key.json", "Save the voting key")),
    ),
  );
}

function languages(election: Election, again: () => void): HTMLElement | null {
  const all = Object.keys(election.title);
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

function mark(election: Election, at: number, right?: Right, back?: () => void): void {
  const body = election.contests[at]!;
  const [count, next] = [election.contests.length, at + 1];
  show(
    at > 0 && !back && h("p", {}, h("a", { class: "govuk-back-link", href: "#", onclick: (event) => {
      event.preventDefault();
      mark(election, at - 1, right);
    } }, "Back")),
    h("span", { class: "govuk-caption-l" }, count === 1 ? said(election.title) : `Question ${next} of ${count}`),
    form(
      "Continue",
      (values) => {
        const answer = read(body, values);
        answers.set(at, answer);
        if (back) back();
        else if (next < count) mark(election, next, right);
        else review(election, right);
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

function review(election: Election, right?: Right): void {
  const all = election.contests.map((_, at) => answers.get(at)!);
  const blank = all.every(({ marks }) => isBlank(marks));
  show(
    heading("Check your answers", said(election.title)),
    summaryList(
      election.contests.map((body, at) => ({
        key: said(body.title),
        value: inWords(body, all[at]!).map((line) => h("div", {}, line)),
        action: { text: "Change", about: said(body.title), onclick: () => mark(election, at, right, () => review(election, right)) },
      })),
    ),
    blank && inset("You have not marked anything: your ballot will be blank."),
    right
      ? [
          paragraph("Next your ballot is encrypted and locked on this device. Nothing is sent yet."),
          button("Lock my ballot", () => locked(election, right, seal(election, right, all))),
        ]
      : [
          warning("This election is declared non-secret: whoever runs the server can tell how you voted."),
          form("Cast my ballot", () => castOpenly(election, all)),
        ],
  );
}

function isBlank(marks: Marks): boolean {
  return Object.values(marks as Record<string, unknown>).every((mark) =>
    Array.isArray(mark) ? mark.every((each) => each === null || each === false) : mark === null,
  );
}

function locked(election: Election, right: Right, sealed: Sealed): void {
  const cast = button("Cast this ballot", () =>
    void busy(cast, async () => {
      try {
        done(election, await submit(sealed, right));
      } catch (error) {
        tell(error);
      }
    }),
  );
  show(
    heading("Your ballot is locked", said(election.title)),
    paragraph("This is its tracking code. It cannot be changed any more, and it does not show how you voted:"),
    code(sealed.tracker),
    h("div", { class: "govuk-button-group" }, cast, button("Open it instead, to check this page", () => audit(election, right, sealed), "secondary")),
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

function audit(election: Election, right: Right, sealed: Sealed): void {
  const text = JSON.stringify(opened(sealed), null, 1);
  show(
    heading("Your ballot is open", said(election.title)),
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
    button("Go on to vote", () => review(election, right)),
  );
}

function done(election: Election, receipt: Receipt): void {
  const track = `/elections/${electionId}/ballots/${receipt.tracker}`;
  const text = `${said(election.title)}\nTracking code: ${receipt.tracker}\nPlace on the board: ${receipt.index}\nReceived: ${receipt.receivedAt}\n${location.origin}${track}\n`;
  show(
    panel("Your ballot was received", "Your tracking code", h("br"), h("strong", { class: "tracker-panel", "data-tracker": receipt.tracker }, shown(receipt.tracker))),
    paragraph("Keep the code. With it you, and anybody whom you give it, can see that your ballot is on the public board. It does not show how you voted."),
    paragraph(link(track, "Find my ballot on the board"), " · ", download(text, "ballot-receipt.txt", "Save the receipt")),
    subheading("If you change your mind"),
    paragraph("Vote again before voting ends. Your last ballot counts, and nobody can tell whose it is."),
    paragraph(link(`/elections/${electionId}`, "See this election")),
  );
}

async function castOpenly(election: Election, all: Answer[]): Promise<void> {
  const { token } = await ask<{ token: string }>("/api/v1/voting/token", { method: "POST", body: { electionId } });
  const selections = election.contests.flatMap((body, at) => selectionsOf(body, all[at]!));
  const receipt = await ask<Receipt>("/api/v1/voting/submit", {
    method: "POST",
    anonymous: true,
    body: { electionId, token, selections },
  });
  done(election, receipt);
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
