// Classify: probabilities as bars, and the labelled images that speak for them.

import { find, make, tell } from "./dom.js";
import { classify } from "./http.js";
import { makeBars, makeNeighbour, makePicture, receiveImages } from "./pictures.js";

const AT_ONCE = 4; // requests
const MOST_BARS = 5;
const waiting = [];
let working = 0;

export function startClassify(searchWith) {
    const look = (image) => { location.hash = "search"; searchWith(image); };
    receiveImages(find("classify"), find("classify-file"), (files) => classifyImages(files.map((file) => ({ file })), look));
    return (image) => { location.hash = "classify"; classifyImages([image], look); };
}

function classifyImages(images, look) {
    const cards = images.map((image) => make("article", { class: "card", "aria-busy": "true" },
        makePicture(image, 128, ""), make("div", {}, make("p", { class: "soft" }, "..."))));
    find("cards").prepend(...cards);
    waiting.push(...images.map((image, number) => ({ image, look, card: cards[number] })));
    while (working < AT_ONCE && waiting.length) work();
}

async function work() {
    working += 1;
    while (waiting.length) {
        const { image, card, look } = waiting.shift();
        const says = card.lastElementChild, name = image.file ? image.file.name : image.id;
        try {
            const { classes, nearest } = await classify(image);
            tell(find("classify-fault"), "");
            says.replaceChildren(...describe(name, classes, nearest, look));
            find("classify-says").textContent = `${name}: ${classes[0]?.name}`;
        } catch (fault) {
            says.replaceChildren(make("p", { class: "wrong" }, fault.message), make("p", { class: "note" }, name));
        }
        card.removeAttribute("aria-busy");
    }
    working -= 1;
}

function describe(name, classes, nearest, look) {
    const rest = classes.length - MOST_BARS;
    return [
        make("h3", { class: "verdict" }, classes[0]?.name ?? "no class"),
        make("p", { class: "note" }, name),
        makeBars(classes, MOST_BARS),
        rest > 0 ? make("p", { class: "note" }, `and ${rest} classes that are less probable`) : null,
        nearest.length ? make("p", { class: "speaks" }, "What speaks for it: the nearest labelled images") : null,
        make("div", { class: "gallery small" }, ...nearest.map((near) => makeNeighbour(near, look, 64))),
    ].filter(Boolean);
}
