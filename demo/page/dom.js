// The only place that makes elements. Text always goes in as text nodes, so nothing from a history, a title
// or an error can become markup; handlers go in as listeners, so a strict Content-Security-Policy holds.

/**
 * Makes an element. Attributes: `on` is an object of listeners; true sets a bare attribute; false and
 * undefined leave it out. Children: nodes, or anything else as text; undefined and false are left out.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** Sets an element's text if it differs, so that screen readers and selections are left alone otherwise. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or removes an attribute, touching the document only where something changes. */
export function setAttribute(element, name, value) {
  if (value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

let region;

/** Says a sentence to screen readers, politely. */
export function announce(sentence) {
  region ??= document.getElementById("announcements");
  if (region) setText(region, sentence);
}

/** An error as one line of text: its stable code, where it has one, and its message. */
export function errorText(error) {
  const message = error instanceof Error ? error.message : String(error);
  const code = typeof error?.code === "string" ? error.code : undefined;
  return code ? `${message} (${code})` : message;
}
