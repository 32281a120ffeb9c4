// Which election a page is about, for people to compare: a hash that is the same for everybody.

import { toHex } from "../bytes.ts";
import { h } from "../page/dom.ts";
import { details, link, paragraph } from "../page/form.ts";
import { shown } from "./bindings.ts";
import type { Defined } from "./defined.ts";

/** As much of it as people compare, and as the observers’ page shows. */
const SHORT = 16;

export function whichElection({ manifest, electionHash }: Defined): HTMLElement {
  const hash = toHex(electionHash);
  return details(
    "Is this the right election?",
    paragraph("The questions, the options and the keys that this page uses were read from the public board. Together they have this hash:"),
    h("p", { class: "govuk-body" }, h("strong", { "data-election-hash": hash }, shown(hash.slice(0, SHORT)))),
    paragraph(
      "Compare it with the one that was announced, and with the one on the ",
      link(`/elections/${manifest.electionId}/verify`, "observers’ page"),
      ", best on another device. If it differs, do not vote here, and tell the election’s officers. In full it is:",
    ),
    h("p", { class: "hash" }, h("code", {}, hash)),
  );
}
