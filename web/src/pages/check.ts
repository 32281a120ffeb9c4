// Checking an opened ballot, best on another device than the one it was made on.

import { checkAgrees } from "../election/agreement.ts";
import { type Opened, checked } from "../election/audit.ts";
import { shown } from "../election/bindings.ts";
import { type Defined, readDefined } from "../election/defined.ts";
import { inWords } from "../election/marking.ts";
import { type Election, said } from "../election/model.ts";
import { refusing } from "../election/refusal.ts";
import { whichElection } from "../election/which.ts";
import { ask } from "../page/api.ts";
import { begin } from "../page/begin.ts";
import { h, root, show } from "../page/dom.ts";
import { Invalid, button, fileField, fileOf, form, heading, paragraph, summaryList, textArea } from "../page/form.ts";

const electionId = root().dataset["election"]!;

void begin(start);

async function start(): Promise<void> {
  await refusing(electionId, async () => {
    const election = await ask<Election>(`/api/v1/elections/${electionId}`, { anonymous: true });
    const defined = await readDefined(election);
    checkAgrees(election, defined);
    if (defined.manifest.secret) question(defined);
    else show(heading("Check an opened ballot"), paragraph("Votes in this election are not secret: no ballot is locked, and none can be opened."));
  });
}

function question(defined: Defined): void {
  show(
    heading("Check an opened ballot", said(defined.manifest.title)),
    paragraph("See what a ballot says that was locked and then opened instead of cast. Everything is computed on this device; nothing is sent."),
    form(
      "Check",
      async (values) => {
        const text = (await fileOf(values, "file")) ?? String(values.get("opened") ?? "");
        if (text.trim() === "") throw new Invalid("opened", "Choose the file of the opened ballot, or paste what it says");
        answer(defined, read(text));
      },
      fileField({ id: "file", label: "The file of the opened ballot" }),
      textArea({ id: "opened", label: "Or what it says", rows: 6 }),
    ),
    whichElection(defined),
  );
}

function read(text: string): Opened {
  try {
    return JSON.parse(text) as Opened;
  } catch {
    throw new Invalid("opened", "This is not an opened ballot");
  }
}

function answer(defined: Defined, said_: Opened): void {
  const { title, contests } = defined.manifest;
  const { tracker, answers } = checked(defined, said_);
  show(
    heading("What this ballot says", said(title)),
    paragraph("Its tracking code is:"),
    h("p", { class: "tracker", "data-tracker": tracker }, shown(tracker)),
    summaryList(
      contests.map((body, at) => ({
        key: said(body.title),
        value: inWords(body, answers[at]!).map((line) => h("div", {}, line)),
      })),
    ),
    paragraph("If code and answers are those that the booth showed before you opened the ballot, the booth encrypted what you marked. If not, tell the election’s officers, and do not vote with that device."),
    button("Check another", () => question(defined), "secondary"),
  );
}
