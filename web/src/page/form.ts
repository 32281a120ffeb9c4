// Forms and words in the markup of GOV.UK Frontend.

import { message } from "./api.ts";
import { type Child, h, root, unique } from "./dom.ts";

/** What somebody filled in is not what can be taken. Says where and why. */
export class Invalid extends Error {
  readonly field: string;

  constructor(field: string, why: string) {
    super(why);
    this.field = field;
  }
}

interface Field {
  id: string;
  label: string;
  hint?: string;
}

interface TextField extends Field {
  type?: string;
  value?: string;
  autocomplete?: string;
  width?: 2 | 3 | 5 | 10 | 20 | 30;
  large?: boolean;
  inputmode?: string;
  maxlength?: number;
}

export function textInput({ id, label, hint, type, value, large, width, ...rest }: TextField): HTMLElement {
  const sized = width ? ` govuk-input--width-${width}` : "";
  const input = h("input", {
    class: `govuk-input${sized}`,
    id,
    name: id,
    type: type ?? "text",
    value: value ?? "",
    spellcheck: "false",
    "aria-describedby": hint ? `${id}-hint` : undefined,
    ...rest,
  });
  return group(id, labelled(id, label, large), hint, input);
}

export function textArea({ id, label, hint, value, rows }: TextField & { rows?: number }): HTMLElement {
  const area = h(
    "textarea",
    {
      class: "govuk-textarea",
      id,
      name: id,
      rows: rows ?? 4,
      spellcheck: "false",
      "aria-describedby": hint ? `${id}-hint` : undefined,
    },
    value ?? "",
  );
  return group(id, labelled(id, label), hint, area);
}

export function select({ id, label, hint }: Field, options: [string, string][], chosen = ""): HTMLElement {
  const each = options.map(([value, text]) => h("option", { value, selected: value === chosen }, text));
  const field = h(
    "select",
    { class: "govuk-select", id, name: id, "aria-describedby": hint ? `${id}-hint` : undefined },
    each,
  );
  return group(id, labelled(id, label), hint, field);
}

function labelled(id: string, label: string, large = false): HTMLElement {
  return h("label", { class: `govuk-label${large ? " govuk-label--m" : ""}`, for: id }, label);
}

function group(id: string, label: HTMLElement, hint: string | undefined, field: HTMLElement): HTMLElement {
  const said = hint && h("div", { class: "govuk-hint", id: `${id}-hint` }, hint);
  return h("div", { class: "govuk-form-group", "data-group": id }, label, said, field);
}

export interface Choice {
  value: string;
  label: string;
  hint?: string;
  chosen?: boolean;
  /** Shown below the choice. */
  more?: HTMLElement;
}

/** Radios or checkboxes under one question, which is the page's heading if `heading`. */
export function choices(
  kind: "radios" | "checkboxes",
  { id, label, hint, heading }: Field & { heading?: boolean },
  all: Choice[],
): HTMLElement {
  const items = all.map(({ value, label, hint, chosen, more }) => {
    const own = unique(id);
    const input = h("input", {
      class: `govuk-${kind}__input`,
      id: own,
      name: id,
      type: kind === "radios" ? "radio" : "checkbox",
      value,
      checked: chosen,
      "aria-describedby": hint ? `${own}-hint` : undefined,
    });
    const text = h("label", { class: `govuk-label govuk-${kind}__label`, for: own }, label);
    const said = hint && h("div", { class: `govuk-hint govuk-${kind}__hint`, id: `${own}-hint` }, hint);
    return [h("div", { class: `govuk-${kind}__item` }, input, text, said), more && h("div", { class: "write-in" }, more)];
  });
  const legend = h(
    "legend",
    { class: `govuk-fieldset__legend${heading ? " govuk-fieldset__legend--l" : ""}` },
    heading ? h("h1", { class: "govuk-fieldset__heading" }, label) : label,
  );
  const said = hint && h("div", { class: "govuk-hint", id: `${id}-hint` }, hint);
  const set = h(
    "fieldset",
    { class: "govuk-fieldset", "aria-describedby": hint ? `${id}-hint` : undefined },
    legend,
    said,
    h("div", { class: `govuk-${kind}` }, items),
  );
  return h("div", { class: "govuk-form-group", "data-group": id }, set);
}

export function button(text: string, onclick: () => void, kind?: "secondary" | "warning"): HTMLButtonElement {
  const classes = `govuk-button${kind ? ` govuk-button--${kind}` : ""}`;
  return h("button", { type: "button", class: classes, onclick: () => onclick() }, text);
}

/** A field for a file. */
export function fileField({ id, label, hint }: { id: string; label: string; hint?: string }): HTMLElement {
  return h(
    "div",
    { class: "govuk-form-group", "data-group": id },
    h("label", { class: "govuk-label", for: id }, label),
    hint !== undefined && h("div", { class: "govuk-hint" }, hint),
    h("input", { class: "govuk-file-upload", id, name: id, type: "file" }),
  );
}

/** The text of the file that was chosen, if one was. */
export async function fileOf(values: FormData, id: string): Promise<string | null> {
  const file = values.get(id);
  return file instanceof File && file.size > 0 ? file.text() : null;
}

/** A form whose button does something that takes a while. Errors are told at its top, and at their field. */
export function form(
  submit: string,
  done: (values: FormData) => void | Promise<void>,
  ...children: Child[]
): HTMLFormElement {
  const press = h("button", { type: "submit", class: "govuk-button" }, submit);
  const made = h("form", { novalidate: true, onsubmit }, children, press);
  async function onsubmit(event: Event) {
    event.preventDefault();
    if (press.disabled) return;
    await busy(press, async () => {
      clear();
      try {
        await done(new FormData(made));
      } catch (error) {
        tell(error);
      }
    });
  }
  return made;
}

/** Keeps a button from being pressed again while something is under way. */
export async function busy(button: HTMLButtonElement, work: () => Promise<void>): Promise<void> {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

function clear(): void {
  for (const told of root().querySelectorAll(".govuk-error-summary, .govuk-error-message")) told.remove();
  for (const marked of root().querySelectorAll(".govuk-form-group--error")) {
    marked.classList.remove("govuk-form-group--error");
  }
}

/** Tells an error at the top of the page, and at the field that it is about. */
export function tell(error: unknown): void {
  clear();
  const field = error instanceof Invalid ? error.field : undefined;
  const group = field && root().querySelector(`[data-group="${field}"]`);
  const target = group ? group.querySelector<HTMLElement>("input, select, textarea") : null;
  const text = message(error);
  const link = target ? h("a", { href: `#${target.id}` }, text) : text;
  const summary = h(
    "div",
    { class: "govuk-error-summary", role: "alert", tabindex: "-1" },
    h("h2", { class: "govuk-error-summary__title" }, "There is a problem"),
    h("div", { class: "govuk-error-summary__body" }, h("ul", { class: "govuk-list govuk-error-summary__list" }, h("li", {}, link))),
  );
  root().prepend(summary);
  if (group) {
    group.classList.add("govuk-form-group--error");
    const before = group.querySelector(".govuk-radios, .govuk-checkboxes, .mark-row, input, select, textarea");
    before?.before(
      h("p", { class: "govuk-error-message" }, h("span", { class: "govuk-visually-hidden" }, "Error: "), text),
    );
  }
  summary.focus();
}

export function heading(text: string, caption?: string): HTMLElement {
  return h("div", {}, caption && h("span", { class: "govuk-caption-l" }, caption), h("h1", { class: "govuk-heading-l" }, text));
}

export function subheading(text: string): HTMLElement {
  return h("h2", { class: "govuk-heading-m" }, text);
}

export function paragraph(...children: Child[]): HTMLElement {
  return h("p", { class: "govuk-body" }, ...children);
}

export function link(href: string, text: string): HTMLElement {
  return h("a", { class: "govuk-link", href }, text);
}

export function inset(...children: Child[]): HTMLElement {
  return h("div", { class: "govuk-inset-text" }, ...children);
}

export function warning(text: string): HTMLElement {
  return h(
    "div",
    { class: "govuk-warning-text" },
    h("span", { class: "govuk-warning-text__icon", "aria-hidden": "true" }, "!"),
    h("strong", { class: "govuk-warning-text__text" }, h("span", { class: "govuk-visually-hidden" }, "Warning"), text),
  );
}

export function details(title: string, ...children: Child[]): HTMLElement {
  return h(
    "details",
    { class: "govuk-details" },
    h("summary", { class: "govuk-details__summary" }, h("span", { class: "govuk-details__summary-text" }, title)),
    h("div", { class: "govuk-details__text" }, ...children),
  );
}

export function panel(title: string, ...children: Child[]): HTMLElement {
  return h(
    "div",
    { class: "govuk-panel govuk-panel--confirmation" },
    h("h1", { class: "govuk-panel__title" }, title),
    h("div", { class: "govuk-panel__body" }, ...children),
  );
}

export interface Line {
  key: string;
  value: Child;
  action?: { text: string; about: string; onclick: () => void };
}

export function summaryList(lines: Line[]): HTMLElement {
  const rows = lines.map(({ key, value, action }) =>
    h(
      "div",
      { class: "govuk-summary-list__row" },
      h("dt", { class: "govuk-summary-list__key" }, key),
      h("dd", { class: "govuk-summary-list__value" }, value),
      action &&
        h(
          "dd",
          { class: "govuk-summary-list__actions" },
          h(
            "button",
            { type: "button", class: "link-button govuk-link", onclick: () => action.onclick() },
            action.text,
            h("span", { class: "govuk-visually-hidden" }, ` ${action.about}`),
          ),
        ),
    ),
  );
  return h("dl", { class: "govuk-summary-list" }, rows);
}

export function table(caption: string, heads: string[], rows: Child[][]): HTMLElement {
  const head = heads.map((text) => h("th", { scope: "col", class: "govuk-table__header" }, text));
  const body = rows.map((row) =>
    h(
      "tr",
      { class: "govuk-table__row" },
      row.map((cell, at) =>
        at === 0
          ? h("th", { scope: "row", class: "govuk-table__header" }, cell)
          : h("td", { class: "govuk-table__cell" }, cell),
      ),
    ),
  );
  return h(
    "table",
    { class: "govuk-table" },
    h("caption", { class: "govuk-table__caption govuk-table__caption--m" }, caption),
    h("thead", { class: "govuk-table__head" }, h("tr", { class: "govuk-table__row" }, head)),
    h("tbody", { class: "govuk-table__body" }, body),
  );
}

export function tag(text: string, colour?: string): HTMLElement {
  return h("strong", { class: `govuk-tag${colour ? ` govuk-tag--${colour}` : ""}` }, text);
}

/** Offers some text as a file. */
export function download(text: string, name: string, label: string): HTMLElement {
  const offer = h("a", { class: "govuk-link", download: name, href: `data:text/plain;charset=utf-8,${encodeURIComponent(text)}` });
  offer.append(label);
  return offer;
}
