// What a page shows instead of anything else when the server does not say what the public board says.

import { Malformed } from "../bytes.ts";
import { message } from "../page/api.ts";
import { type Child, h, show } from "../page/dom.ts";
import { download, heading, link, paragraph, summaryList, warning } from "../page/form.ts";
import { OtherDefinition } from "./agreement.ts";

/** Has a page go no further once something is not what the board says. */
export async function refusing(electionId: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    show(
      heading("Do not vote here"),
      error instanceof OtherDefinition ? other(electionId, error) : unproven(error),
      paragraph(link(`/elections/${electionId}`, "See this election")),
    );
  }
}

function unproven(error: Malformed): Child {
  return [
    warning("The public board does not prove that this is the election that everybody else votes in."),
    paragraph(message(error)),
    paragraph("Tell the election’s officers and its observers what this page says. Nothing of yours was sent."),
  ];
}

function other(electionId: string, { differences, shown, published }: OtherDefinition): Child {
  const hash = (value: string) => h("code", { class: "hash" }, value);
  const report = JSON.stringify({ electionId, address: location.href, at: new Date().toISOString(), shown, published, differences }, null, 2);
  return [
    warning("The server shows you another election than its public board shows everybody."),
    paragraph("What differs:"),
    h("ul", { class: "govuk-list govuk-list--bullet" }, differences.map((what) => h("li", {}, what))),
    summaryList([
      { key: "Hash that the server shows you", value: hash(shown) },
      { key: "Hash of what the board says", value: hash(published) },
    ]),
    paragraph("Tell the election’s officers and its observers, with both of these. No ballot was made."),
    paragraph(download(report, "other-election.json", "Save this for your report")),
  ];
}
