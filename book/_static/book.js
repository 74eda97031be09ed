// What moves on the pages: wide boxes that say so and can be reached by keys, figures made larger, and printing.

const article = document.querySelector(".bd-article") || document.body;
const named = new Set();

/** Name a box by its caption, else by the heading above it; no two alike. */
function nameOf(box) {
  const caption = box.querySelector("caption")?.cloneNode(true);
  caption?.querySelectorAll(".headerlink").forEach((link) => link.remove());
  const heading = box.closest("section")?.querySelector("h1, h2, h3, h4")?.firstChild;
  const kind = box.matches(".math") ? "Formula" : "Table";
  const stem = caption?.textContent.trim() || `${kind}: ${heading?.textContent.trim() || document.title}`;
  let name = stem;
  for (let i = 2; named.has(name); i++) name = `${stem} (${i})`;
  named.add(name);
  return name;
}

/** Show at which edge a box holds more than can be seen, and let keys reach it, only where it does. */
function look(box) {
  const hidden = box.scrollWidth - box.clientWidth;
  box.classList.toggle("more-right", hidden > 1 && box.scrollLeft < hidden - 1);
  box.classList.toggle("more-left", hidden > 1 && box.scrollLeft > 1);
  if (hidden > 1) {
    box.dataset.name ||= nameOf(box);
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", box.dataset.name);
  } else for (const what of ["tabindex", "role", "aria-label"]) box.removeAttribute(what);
}

const watched = new ResizeObserver((seen) => seen.forEach(({ target }) => look(target.closest(".scrolls"))));
const boxes = article.querySelectorAll(".output.text_html > div, .pst-scrollable-table-container, div.math");
for (const box of boxes) {
  box.classList.add("scrolls");
  box.addEventListener("scroll", () => look(box), { passive: true });
  [box, ...box.children].forEach((each) => watched.observe(each));
}
// formulas are set after this, and grow once more when their letters have come
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  boxes.forEach(look);
});

// A figure is a link to its image; a click shows it over the page at its full size.
const shown = document.createElement("dialog");
shown.className = "larger";
shown.innerHTML = '<button type="button">Close</button><div tabindex="0" role="region" aria-label="Image"></div>';
shown.addEventListener("click", (click) => click.target.matches("dialog, button, img") && shown.close());
document.body.append(shown);
for (const image of article.querySelectorAll("img")) {
  const link = image.closest("a") || document.createElement("a");
  if (link.href && link.href !== image.src) continue;
  link.href = image.src;
  link.classList.add("enlarges");
  link.addEventListener("click", (click) => {
    if (click.ctrlKey || click.metaKey || click.shiftKey) return;
    click.preventDefault();
    const large = image.cloneNode();
    for (const what of ["width", "height", "style"]) large.removeAttribute(what);
    shown.lastChild.replaceChildren(large);
    shown.showModal();
  });
  if (!link.contains(image)) {
    image.replaceWith(link);
    link.append(image);
  }
}

// What a page is cited by can be copied.
const cite = document.getElementById("cite");
cite?.addEventListener("click", async ({ target }) => {
  if (target.value === "copy") {
    await navigator.clipboard.writeText(cite.querySelector("pre").textContent);
    target.textContent = "Copied";
  } else if (target.matches("button, dialog")) cite.close();
});

// The theme keeps Escape to its own search, and a browser then closes no dialog by it.
for (const dialog of [shown, cite]) dialog?.addEventListener("keydown", ({ key }) => key === "Escape" && dialog.close());

// The link from a figure to its code opens a cell that is folded.
const unfold = () => {
  const code = location.hash.startsWith("#code-") && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (code) code.querySelectorAll(":scope > details").forEach((each) => (each.open = true));
};
addEventListener("hashchange", unfold);
unfold();

// Paper is white, and nothing on it can be opened by a click.
const folded = () => document.querySelectorAll("details:not([open])");
let before;
addEventListener("beforeprint", () => {
  before = { theme: document.documentElement.dataset.theme, folded: [...folded()] };
  document.documentElement.dataset.theme = "light";
  before.folded.forEach((each) => (each.open = true));
});
addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = before.theme;
  before.folded.forEach((each) => (each.open = false));
});

// Pages opened as files may not read each other, so the search lists titles alone.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
