// Elements, made as they are said. Text is only ever text: nothing here reads HTML.

export type Child = Node | string | number | null | undefined | false | Child[];

type Attributes = Record<string, string | number | boolean | undefined | ((event: Event) => void)>;

/** An element of these classes and attributes; `on…` attributes are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

function append(element: Node, children: Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child instanceof Node) element.appendChild(child);
    else if (child !== null && child !== undefined && child !== false) {
      element.appendChild(document.createTextNode(String(child)));
    }
  }
}

/** The part of the page that a script fills. */
export function root(): HTMLElement {
  const found = document.querySelector<HTMLElement>("[data-app]");
  if (!found) throw new Error("the page has no place for its script");
  return found;
}

/** Shows this instead of what was there, and tells screen readers by moving the focus to its heading. */
export function show(...children: Child[]): void {
  const place = root();
  place.replaceChildren();
  append(place, children);
  const heading = place.querySelector<HTMLElement>("[data-focus], h1");
  if (heading) {
    heading.setAttribute("tabindex", "-1");
    heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    const title = heading.textContent ?? "";
    document.title = `${title} – Holdfast`;
  }
}

let last = 0;

/** A name that no other element of the page has. */
export function unique(prefix: string): string {
  last += 1;
  return `${prefix}-${last}`;
}
