// Draws the page's charts, gives them the page's text colour, and handles taps on the map and its legend.
"use strict";

const readJson = (id) => JSON.parse(document.getElementById(id).textContent);
const models = () => Bokeh.documents.flatMap((drawn) => [...drawn.all_models]);
const findModel = (name) => models().find((model) => model.name === name);

// Colours that a chart has from theme.INK become the page's text colour, by the reader's light or dark setting.
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

function makeElement(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A name breaks after `_`, `-`, `/` and `.`, and elsewhere only at its spaces, as by words.allow_breaks.
function makeName(tag, name) {
  const made = makeElement(tag, "", { title: name });
  for (const part of name.split(/(?<=\w[_\-/.]+)(?=\w)/)) made.append(part, makeElement("wbr", ""));
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
    const chosen = makeElement("div", "", { class: "chosen" });
    const about = makeElement("div", "");
    about.append(makeName("b", label[at]), makeName("small", name[at]));
    chosen.append(makeElement("img", "", { src: image[at], alt: `${label[at]} ${name[at]}` }), about);
    const near = makeElement("div", "", { class: "near" });
    this.nearest[at].forEach((neighbour, rank) => {
      near.append(this.makeButton(neighbour, this.cosines[at][rank], label));
    });
    const next = makeElement("button", "Another image", { class: "next", type: "button" });
    next.addEventListener("click", () => { this.show((this.at + 7) % label.length); this.focus(".next"); });
    const about_them = near.children.length ? [makeElement("h3", "Nearest to it in the embedding"), near] : [];
    this.place.replaceChildren(chosen, ...about_them, next);
    this.mark();
  }

  makeButton(neighbour, cosine, label) {
    const wrong = this.labelled[this.at] && this.labelled[neighbour] && label[neighbour] !== label[this.at];
    const made = makeElement("button", "", { type: "button", class: wrong ? "wrong" : "", "data-image": neighbour });
    made.append(makeElement("img", "", { src: this.source.data.image[neighbour], alt: "" }),
                makeName("span", label[neighbour]), makeElement("small", cosine.toFixed(2)));
    made.addEventListener("click", () => { this.show(neighbour); this.focus(".near button"); });
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

function wireLegend(source) {
  const buttons = [...document.querySelectorAll(".legend button")], list = document.querySelector(".others");
  const single = (column, kind) => {
    for (const each of buttons) each.setAttribute("aria-pressed", String(column === "group" && each.dataset.kind === kind));
    if (list && column === "group") list.value = "";
    source.data = { ...source.data, alpha: source.data[column].map((one) => (kind && one !== kind ? 0.07 : 0.85)) };
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      single("group", button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.kind);
    });
  }
  list?.addEventListener("change", () => single("label", list.value));
}

async function start() {
  for (const item of readJson("charts")) await Bokeh.embed.embed_item(item);
  const inked = findInked(readJson("ink"));
  paint(inked);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(inked));
  const source = findModel("map");
  if (source) {
    const panel = new Panel(source, findModel("map rings"), readJson("map-data"));
    source.selected.properties.indices.change.connect(() => {
      if (source.selected.indices.length) panel.show(source.selected.indices[0]);
    });
    panel.show(0);
    wireLegend(source);
  }
  document.documentElement.dataset.ready = "yes";
}
start();
