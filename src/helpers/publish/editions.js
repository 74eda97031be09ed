// Made by helpers.publish.editions: lets the pages of every edition lead to all of them.
{
  const editions = EDITIONS;
  const root = new URL(".", document.currentScript.src).href;
  const [version, ...rest] = location.href.slice(root.length).split(/[?#]/)[0].split("/");
  const page = rest.join("/") || "index.html";
  const link = (one) => {
    const a = document.createElement("a");
    a.href = `${root}${one.version}/${one.pages.includes(page) ? page : "index.html"}`;
    a.textContent = `${one.version} (${one.date})`;
    if (one.version === version) a.setAttribute("aria-current", "true");
    return a;
  };
  const box = document.createElement("details");
  const name = document.createElement("summary");
  const list = document.createElement("ul");
  box.className = "editions";
  name.textContent = `Edition ${version}`;
  box.append(name, list);
  for (const one of editions) list.append(Object.assign(document.createElement("li"), { innerHTML: link(one).outerHTML }));
  const news = Object.assign(document.createElement("a"), { href: `${root}${version}/changes/index.html` });
  news.textContent = "What changed in this edition";
  list.append(Object.assign(document.createElement("li"), { innerHTML: news.outerHTML }));
  if (editions[0].version !== version) name.append(" – there is a newer one: ", link(editions[0]));
  (document.querySelector(".bd-header-announcement") || document.body).prepend(box);
}
