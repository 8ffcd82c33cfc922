"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const list = document.getElementById("list");
  if (!list) return;
  const items = Array.from(list.children);

  /* Text only ever enters the page here, and only as text. */
  const make = (tag, name, ...children) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    for (const child of children.flat(Infinity)) {
      if (child instanceof Node || (typeof child === "string" && child)) element.append(child);
    }
    return element;
  };
  const said = (tag, name, text) => {
    const element = make(tag, name, text);
    element.dir = "auto";
    return element;
  };

  const SIGNS = { failed: "✕", errored: "!", missing: "!", unmeasured: "?", passed: "✓" };
  const MARKS = { same: "✓ as expected", differs: "✕ differs", "": "" };

  const finding = (f) => make("li", `finding severity-${f.severity}`,
    make("p", "finding-head", make("b", "", f.rule), " ", make("span", "severity", f.severity)),
    said("p", "", f.message),
    f.quote && said("blockquote", "", f.quote),
    f.clause && make("p", "minor", make("b", "", "Rule: "), said("span", "", f.clause)),
    f.evidence && make("p", "minor", make("b", "", "Evidence: "), said("span", "", f.evidence)),
    make("p", "minor", `Counts against ${f.metrics.join(", ")}`));

  const findings = (all) => (all.length ? make("ul", "findings", all.map(finding)) : "");

  const passage = (p) => make("details", "passage",
    make("summary", "", make("code", "", p.document), p.title && ` ${p.title}`, p.version && ` (version ${p.version})`,
      ` · score ${p.score}`, p.internal && make("span", "chip bad", "internal")),
    said("p", "text", data.passages[p.text]));

  const call = (e) => make("div", "act",
    make("p", "", make("span", "kind", "Tool"), " ", make("code", "", e.name),
      e.matched ? "" : make("span", "chip bad", "no fixture answered")),
    e.arguments.length
      ? make("dl", "arguments", e.arguments.map(([key, value]) => [make("dt", "", key), said("dd", "", value)])) : "",
    make("p", `outcome ${e.tone}`, make("b", "", e.tone === "error" ? "Error: " : "Result: "), said("span", "", e.outcome)));

  const by = (e) => (e.role ? make("span", "role", e.role) : "");
  const EVENTS = {
    say: (e) => make("div", "bubble agent", make("p", "who", "Agent", e.role && ` · ${e.role}`), said("p", "text", e.text)),
    triage: (e) => make("div", "act", make("p", "", make("span", "kind", "Triage"), ` ${e.intent || "no intent"} · confidence ${e.confidence}`,
      e.signals.length && ` · signals: ${e.signals.join(", ")}`, by(e))),
    retrieval: (e) => make("div", "act", make("p", "", make("span", "kind", "Search"), " ", said("q", "", e.query), by(e)),
      e.passages.length ? e.passages.map(passage) : make("p", "minor", "Nothing was found.")),
    tool_call: call,
    handoff: (e) => make("div", "act handoff", make("p", "", make("span", "kind", "Handoff"), " ", said("span", "", e.text), by(e))),
  };

  const turn = (t) => make("section", "turn",
    make("h4", "", `Turn ${t.index}`),
    make("div", "chat",
      make("div", "bubble customer", make("p", "who", "Customer"), said("p", "text", t.customer)),
      t.events.length ? t.events.map((e) => EVENTS[e.type](e)) : make("p", "silent", "The agent did nothing in this turn.")),
    make("aside", "beside",
      findings(t.findings),
      t.champion === null ? "" : make("div", "champion-reply", make("p", "who", "Champion, in the same turn"), said("p", "text", t.champion)),
      t.expected.length ? make("details", "expected", make("summary", "", "Expected in this turn"),
        make("ul", "", t.expected.map((line) => said("li", "", line)))) : ""));

  const table = (name, heads, rows) => {
    const cell = (tag, scope, text) => { const c = said(tag, "", text); if (scope) c.scope = scope; return c; };
    const scroll = make("div", "scroll", make("table", "", make("caption", "", name),
      make("thead", "", make("tr", "", heads.map((head) => cell("th", "col", head)))),
      make("tbody", "", rows.map((row) => make("tr", "", row.map((text, i) => cell(i ? "td" : "th", i ? "" : "row", text)))))));
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", name);
    return scroll;
  };

  const trial = (t) => make("div", "trial",
    make("h3", t.title ? "" : "visually-hidden", `${SIGNS[t.status]} ${t.title || "Conversation"}: ${t.words}`),
    t.notes.map((note) => said("p", "warn", note)),
    t.expected.length ? make("div", "escalation", t.expected.map((line) => said("p", "", line))) : "",
    t.findings.length ? make("div", "", make("p", "who", "About the conversation as a whole"), findings(t.findings)) : "",
    t.turns.map(turn),
    t.packet.length ? table("Handoff packet", ["Element", "Expected", "Passed on", "Compared"],
      t.packet.map(([name, expected, given, mark]) => [name, expected, given, MARKS[mark]])) : "",
    t.scores.length ? make("details", "scores", make("summary", "", "All scores of this conversation"),
      table("Scores", ["Metric", "Result", "Why"],
        t.scores.map(([metric, status, value, why]) => [metric, `${SIGNS[status] || "–"} ${value}`, why]))) : "");

  const fill = (item) => {
    const body = item.querySelector(".body");
    if (body.childElementCount) return;
    const conversation = data.conversations[Number(item.dataset.number)];
    const link = make("a", "permalink", "Link to this conversation");
    link.href = `#${item.id}`;
    body.append(make("p", "minor", link), ...conversation.trials.map(trial));
  };
  list.addEventListener("toggle", (event) => {
    if (event.target.matches(".conversation") && event.target.open) fill(event.target);
  }, true);

  /* Filtering. The text of a conversation is gathered when it is first searched. */
  const words = new Map();
  const gather = (value, into) => {
    if (typeof value === "string") into.push(value);
    else if (value && typeof value === "object") for (const part of Object.values(value)) gather(part, into);
    return into;
  };
  const textOf = (conversation) => {
    if (!words.has(conversation)) words.set(conversation, gather(conversation, []).join("\n").toLowerCase());
    return words.get(conversation);
  };
  const control = (name) => document.getElementById(`filter-${name}`);
  const chosen = (name) => (control(name) ? control(name).value : "");
  const matches = (conversation, wanted) =>
    (!wanted.status || (wanted.status === "not-passed" ? conversation.status !== "passed" : conversation.status === wanted.status))
    && (!wanted.slice || conversation.slices.includes(wanted.slice))
    && (!wanted.champion || conversation.champion === wanted.champion)
    && wanted.text.every((word) => textOf(conversation).includes(word));
  const apply = () => {
    const wanted = {
      status: chosen("status"), slice: chosen("slice"), champion: chosen("champion"),
      text: chosen("text").toLowerCase().split(/\s+/).filter(Boolean),
    };
    let shown = 0;
    items.forEach((item, number) => {
      item.hidden = !matches(data.conversations[number], wanted);
      shown += item.hidden ? 0 : 1;
    });
    control("count").textContent = `${shown} of ${items.length} shown`;
  };
  const form = document.getElementById("filter");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply, 0));

  /* A link to a conversation opens it, whatever the filter says. */
  const visit = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.matches(".conversation")) return;
    target.hidden = false;
    target.open = true;
    fill(target);
    target.scrollIntoView();
  };
  addEventListener("hashchange", visit);
  const first = items[0];
  if (first && !first.matches(".status-passed")) {
    first.open = true;
    fill(first);
  }
  visit();
})();
