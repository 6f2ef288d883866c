// What the page does by itself: draws the charts, gives them the page's ink, and answers to the map.
"use strict";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const models = () => Bokeh.documents.flatMap((one) => [...one.all_models]);
const named = (name) => models().find((model) => model.name === name);

// Every colour that a chart has from theme.INK becomes the page's own, by the reader's light or dark setting.
const INKED = ["text_color", "axis_label_text_color", "major_label_text_color", "group_text_color", "label_text_color",
               "line_color"];
function findInked(ink) {
  const value = (held) => (held !== null && typeof held === "object" ? held.value : held);
  return models().flatMap((model) => INKED.filter((key) => key in model.attributes && value(model[key]) === ink)
    .map((key) => ({ model, key, wrapped: model[key] !== ink })));
}
function paint(inked) {
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  for (const { model, key, wrapped } of inked) model[key] = wrapped ? { value: ink } : ink;
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

class Panel {
  constructor(source, rings, { nearest, cosines, labelled }) {
    Object.assign(this, { source, rings, nearest, cosines, labelled, at: 0 });
    this.place = document.getElementById("panel");
  }

  show(at) {
    this.at = at;
    const { image, label, name } = this.source.data;
    const chosen = element("div", "", { class: "chosen" });
    const about = element("div", "");
    about.append(element("b", label[at]), element("small", name[at]));
    chosen.append(element("img", "", { src: image[at], alt: `${label[at]} ${name[at]}` }), about);
    const near = element("div", "", { class: "near" });
    this.nearest[at].forEach((other, rank) => near.append(this.button(other, this.cosines[at][rank], label)));
    const next = element("button", "Another image", { class: "next", type: "button" });
    next.addEventListener("click", () => { this.show((this.at + 7) % label.length); this.focus(".next"); });
    const about_them = near.children.length ? [element("h3", "Nearest to it in the embedding"), near] : [];
    this.place.replaceChildren(chosen, ...about_them, next);
    this.mark();
  }

  button(other, cosine, label) {
    const wrong = this.labelled[this.at] && this.labelled[other] && label[other] !== label[this.at];
    const made = element("button", "", { type: "button", class: wrong ? "wrong" : "", "data-image": other });
    made.append(element("img", "", { src: this.source.data.image[other], alt: "" }),
                element("span", label[other]), element("small", cosine.toFixed(2)));
    made.addEventListener("click", () => { this.show(other); this.focus(".near button"); });
    return made;
  }

  focus(what) { this.place.querySelector(what)?.focus({ preventScroll: true }); }

  mark() {
    const { x, y } = this.source.data;
    const marked = [this.at, ...this.nearest[this.at]];
    const each = (values) => marked.map((row, rank) => values(row, rank));
    this.rings.data = { x: each((row) => x[row]), y: each((row) => y[row]),
                        size: each((_, rank) => (rank ? 15 : 24)), width: each((_, rank) => (rank ? 1.5 : 3)) };
  }
}

function legend(source) {
  const buttons = [...document.querySelectorAll(".legend button")];
  const choose = (button) => {
    const on = button.getAttribute("aria-pressed") !== "true";
    for (const one of buttons) one.setAttribute("aria-pressed", String(on && one === button));
    const kind = button.dataset.kind;
    source.data = { ...source.data, alpha: source.data.label.map((one) => (on && one !== kind ? 0.07 : 0.85)) };
  };
  for (const button of buttons) button.addEventListener("click", () => choose(button));
}

async function start() {
  for (const item of read("charts")) await Bokeh.embed.embed_item(item);
  const inked = findInked(read("ink"));
  paint(inked);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(inked));
  const source = named("map");
  if (source) {
    const panel = new Panel(source, named("map rings"), read("map-data"));
    source.selected.properties.indices.change.connect(() => {
      if (source.selected.indices.length) panel.show(source.selected.indices[0]);
    });
    panel.show(0);
    legend(source);
  }
  document.documentElement.dataset.ready = "yes";
}
start();
