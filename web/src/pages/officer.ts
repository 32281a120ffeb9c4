// The officers' page: create an election, bring its roll, and lead it from the first key to the result.

import { type ContestBody, type Election, type FormBody, type State, type Texts, type Turnout, said } from "../election/model.ts";
import { Refused, ask } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { type Child, h, root, show, unique } from "../page/dom.ts";
import {
  Invalid,
  button,
  choices,
  details,
  form,
  heading,
  inset,
  link,
  paragraph,
  select,
  subheading,
  summaryList,
  table,
  tag,
  textArea,
  textInput,
  warning,
} from "../page/form.ts";
import { signedIn } from "../page/sign-in.ts";
import { moment } from "../page/words.ts";

const electionId = root().dataset["election"] ?? "";
const ROLL_LINES_MAX = 2_000;

const COLOURS: Record<State, string> = {
  draft: "grey",
  ceremony: "yellow",
  ready: "turquoise",
  open: "green",
  closed: "orange",
  mixing: "purple",
  decrypting: "purple",
  counted: "blue",
  published: "blue",
  abandoned: "red",
};

void begin(start);

async function start(): Promise<void> {
  await signedIn("Sign in as an election officer.");
  if (electionId === "new") create();
  else if (electionId === "") await list();
  else await lead(await ask<Election>(`/api/v1/elections/${electionId}`));
}

async function list(): Promise<void> {
  const { elections } = await ask<{ elections: Election[] }>("/api/v1/elections?limit=100");
  const rows = elections.map((election): Child[] => [
    link(`/officer/elections/${election.electionId}`, said(election.title)),
    tag(election.state, COLOURS[election.state]),
    election.opensAt ? moment(election.opensAt) : "by an officer",
    election.closesAt ? moment(election.closesAt) : "by an officer",
  ]);
  show(
    heading("Elections"),
    h("p", {}, h("a", { class: "govuk-button", role: "button", href: "/officer/elections/new" }, "Create an election")),
    rows.length > 0
      ? h("div", { class: "wide" }, table("All elections", ["Election", "State", "Opens", "Closes"], rows))
      : paragraph("There are no elections yet."),
  );
}

// --- creating ---

function create(): void {
  const contests = h("div", {});
  const trustees = h("div", { id: "trustees" });
  const add = () => contests.append(contestFields(contests.children.length + 1));
  add();
  for (let at = 1; at <= 3; at += 1) trustees.append(trusteeFields(at));
  show(
    heading("Create an election"),
    form(
      "Create the draft",
      async (values) => {
        const election = await ask<Election>("/api/v1/elections", { method: "POST", body: bodyOf(values, contests) });
        location.href = `/officer/elections/${election.electionId}`;
      },
      languageFields(),
      textArea({ id: "title", label: "Title", hint: "One language a line if there are several: en: Council election", rows: 2 }),
      textArea({ id: "description", label: "What it is about", hint: "May be left empty. One language a line, as above.", rows: 3 }),
      h(
        "div",
        { class: "pair" },
        textInput({ id: "opens-at", label: "Opens", hint: "Your local time; empty: an officer opens it", type: "datetime-local", width: 20 }),
        textInput({ id: "closes-at", label: "Closes", hint: "Your local time; empty: an officer closes it", type: "datetime-local", width: 20 }),
      ),
      choices("radios", { id: "secret", label: "Are votes secret?" }, [
        { value: "yes", label: "Yes", hint: "Ballots are encrypted by the voters and decrypted by trustees after they were mixed", chosen: true },
        { value: "no", label: "No", hint: "For polls and rehearsals: whoever runs this server can tell how somebody voted" },
      ]),
      subheading("Questions"),
      contests,
      button("Add a question", add, "secondary"),
      subheading("Trustees"),
      paragraph("Persons who each hold a part of the key. They need a name here to sign in with. Left out if votes are not secret."),
      trustees,
      button("Add a trustee", () => trustees.append(trusteeFields(trustees.children.length + 1)), "secondary"),
      textInput({ id: "threshold", label: "How many of them decrypt", hint: "Fewer than all, so that one who is lost does not lose the election", value: "2", width: 2, inputmode: "numeric" }),
      details(
        "More settings",
        textInput({ id: "mixers", label: "Mixers", value: "3", width: 2, inputmode: "numeric" }),
        textInput({ id: "weights", label: "Weights of voters", hint: "Numbers with commas between them, such as 1, 3, 10", value: "1", width: 20 }),
        choices("checkboxes", { id: "unanimous", label: "If the number above is all of them" }, [
          { value: "yes", label: "All trustees have to decrypt, and if one part is lost nobody can ever count" },
        ]),
      ),
    ),
  );
}

function languageFields(): HTMLElement {
  return textInput({ id: "language", label: "Language of texts without one", value: navigator.language.split("-")[0] ?? "en", width: 3 });
}

function trusteeFields(at: number): HTMLElement {
  return h(
    "div",
    { class: "pair", "data-trustee": at },
    textInput({ id: `trustee-name-${at}`, label: `Trustee ${at}: shown as`, width: 20 }),
    textInput({ id: `trustee-user-${at}`, label: "Signs in as", width: 20 }),
  );
}

function contestFields(at: number): HTMLElement {
  const own = unique("contest");
  const id = (field: string) => `${own}-${field}`;
  return h(
    "fieldset",
    { class: "govuk-fieldset card", "data-contest": own },
    h("legend", { class: "govuk-fieldset__legend govuk-fieldset__legend--s" }, `Question ${at}`),
    textArea({ id: id("title"), label: "Question", rows: 1 }),
    textArea({ id: id("options"), label: "Options", hint: "One a line. In several languages: en: Yes | de: Ja", rows: 4 }),
    h(
      "div",
      { class: "pair" },
      select({ id: id("form"), label: "Voters" }, [
        ["plurality", "choose one"],
        ["approval", "choose several"],
        ["score", "give points"],
        ["ranked", "rank"],
        ["ranked-shared", "rank, ranks may be shared"],
      ]),
      textInput({ id: id("most"), label: "At most", hint: "Choices, points or ranks; empty: as many as there are", width: 3, inputmode: "numeric" }),
    ),
    h(
      "div",
      { class: "pair" },
      select({ id: id("count"), label: "Counted by" }, [
        ["most", "most votes or points"],
        ["instant-runoff", "instant run-off (ranked)"],
        ["stv-scottish", "single transferable vote, Scottish (ranked)"],
        ["stv-meek", "single transferable vote, Meek (ranked)"],
        ["schulze", "Schulze (ranked)"],
      ]),
      textInput({ id: id("seats"), label: "Seats", value: "1", width: 2, inputmode: "numeric" }),
    ),
    textInput({ id: id("write-in"), label: "Letters of a name that may be written in", hint: "0: no name may be written in", value: "0", width: 3, inputmode: "numeric" }),
  );
}

function bodyOf(values: FormData, contests: HTMLElement): object {
  const value = (id: string) => String(values.get(id) ?? "").trim();
  const language = value("language") || "en";
  const secret = value("secret") !== "no";
  const title = texts(value("title").split("\n"), language);
  if (Object.keys(title).length === 0) throw new Invalid("title", "Enter a title");
  const description = texts(value("description").split("\n"), language);
  // In the order in which the page asks, so that the first thing that is wrong is told first.
  const owns = [...contests.querySelectorAll<HTMLElement>("[data-contest]")].map((each) => each.dataset["contest"]!);
  const bodies = owns.map((own, at) => contestOf(own, at, value, language));
  const persons = [...root().querySelectorAll<HTMLElement>("[data-trustee]")]
    .map(({ dataset }) => dataset["trustee"]!)
    .map((at) => ({ userId: value(`trustee-user-${at}`), name: value(`trustee-name-${at}`) || value(`trustee-user-${at}`) }))
    .filter(({ userId }) => userId !== "");
  if (secret && persons.length === 0) throw new Invalid("trustee-user-1", "Name the trustees, or say that votes are not secret");
  const trustees = { threshold: number(value("threshold"), "threshold"), unanimous: value("unanimous") === "yes", persons };
  const weights = value("weights").split(",").map((weight) => number(weight.trim(), "weights"));
  return {
    title,
    ...(Object.keys(description).length > 0 ? { description } : {}),
    ...time("opensAt", value("opens-at")),
    ...time("closesAt", value("closes-at")),
    secret,
    weights,
    mixers: number(value("mixers"), "mixers"),
    contests: bodies,
    ...(secret ? { trustees } : {}),
  };
}

function time(name: string, local: string): object {
  return local === "" ? {} : { [name]: new Date(local).toISOString() };
}

function number(text: string, field: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Invalid(field, "Enter a whole number");
  return Number(text);
}

/** `en: Yes` lines, or one text in the language that is meant. */
function texts(lines: string[], language: string): Texts {
  const said: Texts = {};
  for (const line of lines.map((line) => line.trim()).filter((line) => line !== "")) {
    const match = /^([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*):\s*(.+)$/.exec(line);
    const [tag, text] = match ? [match[1]!, match[2]!] : [language, line];
    said[tag] = said[tag] === undefined ? text : `${said[tag]}\n${text}`;
  }
  return said;
}

function contestOf(own: string, at: number, value: (id: string) => string, language: string): ContestBody {
  const field = (name: string) => `${own}-${name}`;
  const title = texts(value(field("title")).split("\n"), language);
  if (Object.keys(title).length === 0) throw new Invalid(field("title"), `Enter question ${at + 1}`);
  const options = value(field("options")).split("\n").filter((line) => line.trim() !== "");
  if (options.length === 0) throw new Invalid(field("options"), `Enter the options of question ${at + 1}`);
  const writeInBytesMax = number(value(field("write-in")), field("write-in"));
  const places = options.length + (writeInBytesMax > 0 ? 1 : 0);
  const most = value(field("most"));
  const form = formOf(value(field("form")), most === "" ? undefined : number(most, field("most")), places);
  const count = value(field("count")) as ContestBody["count"];
  if ((count === "most") === (form.kind === "ranked")) {
    throw new Invalid(field("count"), "Ranks are counted by a run-off, a transferable vote or Schulze; everything else by most votes");
  }
  return {
    contestId: `question-${at + 1}`,
    title,
    form,
    count,
    seats: number(value(field("seats")), field("seats")),
    writeInBytesMax,
    options: options.map((line, option) => ({ optionId: `option-${option + 1}`, title: texts(line.split("|"), language) })),
  };
}

function formOf(kind: string, most: number | undefined, places: number): FormBody {
  if (kind === "approval") return { kind, approvalsMax: most ?? places };
  if (kind === "score") return { kind, scoreMax: most ?? 5 };
  if (kind === "ranked") return { kind, ranksMax: most ?? places, sharedRanks: false };
  if (kind === "ranked-shared") return { kind: "ranked", ranksMax: most ?? places, sharedRanks: true };
  return { kind: "plurality" };
}

// --- leading ---

interface Act {
  text: string;
  path: string;
  /** What is asked before it is done. */
  ask: string;
  warning?: boolean;
}

const OPENLY = "Votes are not secret in this election: each answer stands on the public board at once, for all to read while voting goes on.";
const AT_ONCE = "The count stands on the public board as soon as it is done, for anybody to read. Publishing it afterwards is the announcement.";

function actsOf(election: Election): Act[] {
  const begin = election.secret
    ? { text: "Begin the key ceremony", path: "ceremony", ask: "The definition is fixed from now on. All trustees have to be at their devices." }
    : { text: "Fix the definition", path: "ceremony", ask: "The definition cannot be changed any more." };
  switch (election.state) {
    case "draft":
      return [begin];
    case "ceremony":
      return [{ text: "Begin the ceremony anew", path: "ceremony", ask: "What the trustees have said so far is void, and they begin again." }];
    case "ready":
      return [{ text: "Open the voting", path: "opening", ask: `Everybody on the roll can vote from now on.${election.secret ? "" : ` ${OPENLY}`}` }];
    case "open":
      return [{ text: "Close the voting", path: "closing", ask: "No ballots are taken any more. Voting cannot be opened again.", warning: true }];
    case "closed":
      return [{ text: "Start the tally", path: "tally", ask: election.secret ? `The ballots that count are mixed, and trustees are asked to decrypt. ${AT_ONCE}` : `The ballots that count are counted. ${AT_ONCE}` }];
    case "counted":
      return [{ text: "Publish the result", path: "publication", ask: "This announces the result: it stands on the election’s page from now on. The count itself stands on the public board already, where anybody can have read it." }];
    case "mixing":
    case "decrypting":
    case "published":
    case "abandoned":
      return [];
  }
}

const WAITING: Partial<Record<State, string>> = {
  ceremony: "The trustees make the key together. Send them to the trustees’ page, all at the same time.",
  mixing: "Ballots are checked and mixed. This goes on by itself.",
  decrypting: "The trustees decrypt. Send them to the trustees’ page.",
};

async function lead(election: Election): Promise<void> {
  const id = election.electionId;
  const turnout = election.state === "draft" ? null : await turnoutOf(id);
  show(
    heading(said(election.title), "Election"),
    paragraph(tag(election.state, COLOURS[election.state]), " ", link(`/elections/${id}`, "Public page"), election.secret && [" · ", link(`/elections/${id}/trustee`, "Trustees’ page")]),
    election.faults?.map(({ trustee, offence }) => warning(`${election.trustees?.names[trustee - 1] ?? trustee}: ${offence}`)),
    WAITING[election.state] && inset(WAITING[election.state]),
    fewWarning(election, turnout),
    !election.secret && election.state === "open" && inset(OPENLY),
    election.state === "counted" && inset("The count stands on the public board, where anybody can read it. Publishing it is the announcement."),
    actsOf(election).map((act) => button(act.text, () => confirm(election, act), act.warning ? "warning" : undefined)),
    turnout && [subheading("Turnout"), turnoutLines(turnout)],
    subheading("Definition"),
    definition(election),
    ["draft", "ceremony", "ready", "open"].includes(election.state) && roll(election),
    !["counted", "published", "abandoned"].includes(election.state) &&
      details("Abandon this election", button("Abandon it", () => confirm(election, { text: "Abandon it", path: "", ask: "It ends without a result. Nobody can take it up again.", warning: true }), "warning")),
  );
  if (["ceremony", "open", "mixing", "decrypting"].includes(election.state)) follow(election);
}

/** Answers of fewer people than this are known to be theirs. */
const PEOPLE_FEW = 3;

const people = (count: number) => (count === 1 ? "1 person" : `${count} people`);

/** Whose answers would become public as theirs: before the opening by the roll, before the tally by who began to vote. */
function fewWarning({ secret, state }: Election, turnout: Turnout | null): Child {
  if (!secret || !turnout) return null;
  const few = (count: number) => count > 0 && count < PEOPLE_FEW;
  const so = "The answers of so few people become public as theirs.";
  const lines = turnout.issuedByWeight.flatMap(({ weight, voters, issued }) => {
    if (["ceremony", "ready"].includes(state) && few(voters)) return [`Only ${people(voters)} of weight ${weight} on the roll. ${so}`];
    return state === "closed" && few(issued) ? [`Only ${people(issued)} of weight ${weight} began to vote. ${so}`] : [];
  });
  return lines.map((line) => warning(line));
}

async function turnoutOf(id: string): Promise<Turnout | null> {
  try {
    return await ask<Turnout>(`/api/v1/public/elections/${id}/turnout`);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}

function turnoutLines(turnout: Turnout): HTMLElement {
  const share = turnout.eligible > 0 ? ` (${((100 * turnout.issued) / turnout.eligible).toFixed(1)} %)` : "";
  return h(
    "div",
    { "data-turnout": true },
    summaryList([
      { key: "On the roll", value: turnout.eligible },
      { key: "Began to vote", value: `${turnout.issued}${share}` },
      { key: "Ballots received", value: turnout.received },
      { key: "Ballots confirmed", value: turnout.confirmed },
      { key: "Ballots refused", value: turnout.refused },
    ]),
  );
}

function definition(election: Election): HTMLElement {
  return summaryList([
    { key: "Votes are", value: election.secret ? "secret" : "not secret" },
    { key: "Opens", value: election.opensAt ? moment(election.opensAt) : "when an officer opens it" },
    { key: "Closes", value: election.closesAt ? moment(election.closesAt) : "when an officer closes it" },
    ...(election.trustees
      ? [{ key: "Trustees", value: `${election.trustees.names.join(", ")}; ${election.trustees.threshold} of them decrypt` }]
      : []),
    ...election.contests.map(({ title, options, form, count, seats }) => ({
      key: said(title),
      value: [
        h("div", {}, options.map(({ title }) => said(title)).join(", ")),
        h("div", { class: "govuk-hint" }, `${form.kind}, counted by ${count}, ${seats} ${seats === 1 ? "seat" : "seats"}`),
      ],
    })),
  ]);
}

function confirm(election: Election, act: Act): void {
  const path = `/api/v1/elections/${election.electionId}${act.path && `/${act.path}`}`;
  show(
    heading(`${act.text}?`, said(election.title)),
    act.warning ? warning(act.ask) : paragraph(act.ask),
    form(act.text, async () => {
      await ask(path, { method: act.path ? "POST" : "DELETE" });
      await again(election);
    }),
    h("p", {}, h("button", { type: "button", class: "link-button govuk-link", onclick: () => void again(election) }, "Do not, go back")),
  );
}

async function again(election: Election): Promise<void> {
  await lead(await ask<Election>(`/api/v1/elections/${election.electionId}`));
}

/** Shows again what changed, until this page is left or shows something else. */
function follow(election: Election): void {
  const here = root().firstElementChild;
  setTimeout(async () => {
    if (root().firstElementChild !== here) return;
    try {
      const now = await ask<Election>(`/api/v1/elections/${election.electionId}`);
      if (root().firstElementChild !== here) return;
      const busy = root().contains(document.activeElement) && document.activeElement?.tagName === "TEXTAREA";
      if (now.state !== election.state && !busy) return void (await lead(now));
      const place = root().querySelector("[data-turnout]");
      const turnout = place && (await turnoutOf(now.electionId));
      if (place && turnout) place.replaceWith(turnoutLines(turnout));
    } catch {
      // Asked again below.
    }
    follow(election);
  }, 3000);
}

function roll(election: Election): Child {
  return [
    subheading("Roll of voters"),
    form(
      "Add to the roll",
      async (values) => {
        const file = values.get("roll-file");
        const text = file instanceof File && file.size > 0 ? await file.text() : String(values.get("roll") ?? "");
        const voters = rollLines(text);
        if (voters.length === 0) throw new Invalid("roll", "Enter the names of voters, or choose a file with them");
        let [added, all] = [0, 0];
        for (let from = 0; from < voters.length; from += ROLL_LINES_MAX) {
          const page = { voters: voters.slice(from, from + ROLL_LINES_MAX) };
          const path = `/api/v1/elections/${election.electionId}/roll`;
          const answer = await ask<{ added: number; voters: number }>(path, { method: "POST", body: page });
          added += answer.added;
          all = answer.voters;
        }
        await again(election);
        root().querySelector("h1")?.after(inset(`${added} added. There are ${all} voters on the roll.`));
      },
      textArea({ id: "roll", label: "Names that voters sign in with", hint: "One a line; a weight may follow after a comma. Only a keyed hash of each is kept.", rows: 5 }),
      h(
        "div",
        { class: "govuk-form-group" },
        h("label", { class: "govuk-label", for: "roll-file" }, "Or a file of such lines (CSV)"),
        h("input", { class: "govuk-file-upload", id: "roll-file", name: "roll-file", type: "file", accept: ".csv,.txt,text/csv,text/plain" }),
      ),
    ),
  ];
}

function rollLines(text: string): { userId: string; weight?: number }[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  return lines.map((line, at) => {
    const [userId, weight, ...more] = line.split(/[,;\t]/).map((part) => part.trim().replace(/^"(.*)"$/, "$1"));
    if (!userId || more.length > 0 || (weight !== undefined && !/^\d{1,7}$/.test(weight))) {
      throw new Invalid("roll", `Line ${at + 1} is not a name, or a name and a weight`);
    }
    return weight === undefined ? { userId } : { userId, weight: Number(weight) };
  });
}
