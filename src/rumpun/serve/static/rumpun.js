// The chat page. Text from the model or the user only ever becomes text nodes; no markup is made from it.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = byId("about");
  if (!data) return;
  const about = JSON.parse(data.textContent);
  const [talk, welcome, form, box, sendButton, stopButton, said, lock] =
    ["talk", "welcome", "ask", "message", "send", "stop", "said", "lock"].map(byId);
  const picker = byId("model");
  const canFail = "Check that the service is still running, then send again.";

  let history = []; // what is sent along: {role, content}
  let running = null; // the AbortController of the answer under way
  let round = 0; // raised by "New chat", so that a late answer is dropped
  let key = "";

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const modelName = () => (picker.tagName === "SELECT" ? picker.value : picker.dataset.name);
  let follows = true; // whether the page keeps to its end; false once someone scrolls up
  const nearEnd = () => window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 160;
  const toEnd = () => window.scrollTo({ top: document.documentElement.scrollHeight });
  const keepUp = () => { if (follows) toEnd(); };

  // ---- one turn on the page

  function addTurn(kind, text) {
    const item = make("li", kind);
    item.append(make("span", "unseen", kind === "asked" ? "You: " : "Answer: "));
    const words = make("div", "words");
    words.dir = "auto";
    words.append(document.createTextNode(text));
    const facts = make("p", "facts-line");
    item.append(words, facts);
    talk.append(item);
    return { item, words, facts, node: words.firstChild };
  }

  function fact(turn, className, text, lang) {
    const span = make("span", className, text);
    if (lang) span.lang = lang;
    turn.facts.append(span);
  }

  function showVerdict(turn, verdict, mode) {
    if (mode === "off") return fact(turn, "", "not checked");
    if (!verdict) return undefined;
    const found = Object.entries(verdict.categories).filter(([, one]) => one.level > 0)
      .map(([name, one]) => `${name} ${Math.round(100 * one.score)} %`);
    if (!verdict.flagged && verdict.action === "allow") return fact(turn, "verdict", "guard: nothing found");
    const named = found.length ? ", " + found.join(", ") : "";
    if (!verdict.flagged) return fact(turn, "verdict", `guard: ${verdict.action}${named}`);
    fact(turn, "verdict bad", `guard: flagged${named}`);
    turn.item.classList.add("flagged");
    return undefined;
  }

  function showNote(turn, guard, tag, answer) { // a word of care, or help where the answer is not the help itself
    const said = guard.message;
    if (!said || !["care", "help"].includes(guard.action) || answer.endsWith(said)) return;
    const note = make("p", "note", said);
    if (tag && tag !== "und") note.lang = tag;
    turn.item.append(note);
  }

  function showLanguage(turn, tag) {
    if (!tag || tag === "und") return;
    turn.words.lang = tag;
    const known = about.languages[tag] || about.languages[tag.split("-")[0]];
    fact(turn, "language", known ? known.own : tag, tag);
  }

  function showTrouble(turn, text) {
    turn.item.classList.add("failed");
    turn.item.append(make("p", "why", text));
    said.textContent = text;
  }

  // ---- the service

  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      held += value;
      const lines = held.split("\n");
      held = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: ")) continue;
        if (line === "data: [DONE]") return;
        yield JSON.parse(line.slice(6));
      }
    }
  }

  class Told extends Error {} // an error whose text is meant for people

  async function open(messages, signal) {
    const headers = { "Content-Type": "application/json" };
    if (key) headers.Authorization = `Bearer ${key}`;
    let response;
    try {
      response = await fetch("/v1/chat/completions", {
        method: "POST", headers, signal,
        body: JSON.stringify({ model: modelName(), messages, stream: true, max_tokens: about.tokens }),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Told(`The service did not answer. ${canFail}`);
    }
    if (response.ok) return response;
    const body = await response.json().catch(() => null);
    if (response.status === 401) {
      lock.showModal();
      throw new Told("This service needs a key. Give it in the window, then send again.");
    }
    const message = body && body.error ? body.error.message : `status ${response.status}`;
    if (response.status === 429) throw new Told(`The model is busy: ${message}.`);
    if (body && body.error && body.error.code === "context_length_exceeded") {
      throw new Told("This conversation is longer than the model can read. Begin a new chat, or write less.");
    }
    throw new Told(`That did not work: ${message}.`);
  }

  async function ask(text) {
    const mine = round;
    const asked = addTurn("asked", text);
    const turn = addTurn("answer busy", "");
    const sent = { role: "user", content: text };
    running = new AbortController();
    setBusy(true);
    said.textContent = "Answering.";
    follows = true;
    toEnd();
    const state = { answer: "", finish: null, promptShown: false };
    try {
      const response = await open([...history, sent], running.signal);
      for await (const event of events(response)) take(event, asked, turn, state);
      if (state.finish === null) throw new Told(`The answer broke off. ${canFail}`);
    } catch (error) {
      if (error.name === "AbortError") fact(turn, "", "stopped");
      else showTrouble(turn, error instanceof Told ? error.message : `The answer broke off. ${canFail}`);
    }
    settle(turn, state);
    if (mine !== round) return;
    const refused = state.finish === "content_filter" && asked.item.classList.contains("flagged");
    if (state.answer && !refused) history.push(sent, { role: "assistant", content: state.answer });
    running = null;
    setBusy(false);
  }

  function take(event, asked, turn, state) {
    if (event.error) throw new Told(`The answer broke off: ${event.error.message}.`);
    const ours = event.rumpun;
    if (ours && !state.promptShown) {
      state.promptShown = true;
      showVerdict(asked, ours.guard.prompt, ours.guard.mode);
      showLanguage(asked, ours.language.prompt);
      if (ours.language.prompt !== "und") turn.words.lang = ours.language.prompt; // until the answer's is known
    }
    const choice = event.choices[0];
    if (!choice) return;
    if (choice.delta.content) {
      state.answer += choice.delta.content;
      paint(turn, state);
    }
    if (choice.finish_reason && state.finish === null) {
      state.finish = choice.finish_reason;
      finish(asked, turn, state, ours);
    }
  }

  function finish(asked, turn, state, ours) {
    if (ours) {
      showVerdict(turn, ours.guard.answer, ours.guard.mode);
      if (ours.guard.unchecked) fact(turn, "", `not checked: ${ours.guard.unchecked}`);
      showNote(turn, ours.guard, ours.language.prompt, state.answer);
      showLanguage(turn, ours.language.answer);
      if (ours.tokens_per_second) fact(turn, "", `${ours.tokens_per_second.toFixed(1)} tokens/s`);
    }
    if (state.finish === "length") fact(turn, "", "cut at the length limit");
    if (state.finish !== "content_filter") return;
    const why = asked.item.classList.contains("flagged")
      ? "The guard held this request back. It is left out of the conversation."
      : "The guard ended this answer here: what came next was flagged.";
    turn.item.classList.add("flagged");
    turn.item.append(make("p", "why", why));
  }

  function paint(turn, state) { // at most once a frame
    if (state.waiting) return;
    state.waiting = true;
    requestAnimationFrame(() => {
      state.waiting = false;
      turn.node.data = state.answer;
      keepUp();
    });
  }

  function settle(turn, state) {
    turn.node.data = state.answer;
    turn.item.classList.remove("busy");
    if (state.answer) said.textContent = `${state.answer} ${turn.facts.textContent}`;
    keepUp();
  }

  // ---- the message box

  function setBusy(busy) {
    const hadFocus = [sendButton, stopButton].includes(document.activeElement);
    sendButton.hidden = busy;
    stopButton.hidden = !busy;
    if (hadFocus) box.focus();
  }

  function fit() {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 176)}px`;
  }

  function submit() {
    const text = box.value.trim();
    if (!text || running) return;
    box.value = "";
    fit();
    if (welcome) welcome.hidden = true;
    ask(text);
  }

  function newChat() {
    round += 1;
    if (running) running.abort();
    running = null;
    history = [];
    talk.replaceChildren();
    said.textContent = "A new chat.";
    welcome.hidden = false;
    setBusy(false);
    box.focus();
  }

  window.addEventListener("scroll", () => { follows = nearEnd(); }, { passive: true });
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  box.addEventListener("input", fit);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && running && !lock.open) running.abort();
  });
  stopButton.addEventListener("click", () => { if (running) running.abort(); });
  byId("new").addEventListener("click", newChat);
  for (const starter of document.querySelectorAll(".starter")) {
    starter.addEventListener("click", () => { box.value = starter.dataset.text; fit(); box.focus(); });
  }
  picker.addEventListener("change", () => {
    const chosen = about.models[modelName()];
    byId("card").href = `/models/${encodeURIComponent(chosen.name)}`;
    byId("layer").textContent = chosen.layer ? `layer ${chosen.layer}` : "no layer";
    byId("caution").textContent = chosen.caution;
    said.textContent = `${chosen.name} answers from now on.`;
  });
  byId("lock-form").addEventListener("submit", () => { key = byId("key").value; byId("key").value = ""; box.focus(); });
  byId("lock-close").addEventListener("click", () => lock.close());
  if (matchMedia("(pointer: fine)").matches) box.focus({ preventScroll: true }); // no keyboard over a phone's page
})();
