// Making and finding elements.

export const byId = id => document.getElementById(id);

/** An element; properties are set as they are, but `class`, `role`, `for`, `aria-*` and `data-*` as attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (/^(class|role|for|aria-.*|data-.*)$/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

/** Text in a direction of its own: characters of any script stand between Latin words. */
export const isolated = (text, properties = {}) => element("bdi", properties, text);

let saying;

/** Tells people who listen to the page. What comes quickly one after the other is told once. */
export function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { byId("said").textContent = text; }, 700);
}

/** A line below a heading: a problem, or what else is to be known; nothing hides it. */
export function note(line, ...content) {
  line.hidden = !content.length;
  line.replaceChildren(...content);
}

/** The same for people who listen, too. */
export function tell(line, ...content) {
  note(line, ...content);
  say(line.textContent);
}

/** Saves bytes as a file. */
export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A button that copies a text, and says so. */
export function copier(text, what) {
  const button = element("button", { type: "button", class: "copy", "aria-label": `Copy ${what}`, title: `Copy ${what}` }, text);
  button.addEventListener("click", async () => {
    await copy(text);
    button.dataset.copied = "";
    say(`Copied ${what}`);
    setTimeout(() => { delete button.dataset.copied; }, 1200);
  });
  return button;
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = element("textarea", { value: text, class: "unseen" }); // over plain HTTP there is no clipboard
  document.body.append(field);
  const held = document.activeElement;
  field.select();
  document.execCommand("copy");
  field.remove();
  held.focus({ preventScroll: true });
}
